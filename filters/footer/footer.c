/* The filter "footer": puts a text under each message, in the part that is shown first, in its own
 * charset and encoding, and into each of its forms. Signed and encrypted messages are left alone,
 * or wrapped. What can not be done is left alone and noted; an edit that the host refuses fails the
 * filter. */
#include <string.h>

#include <mailweir/filter.h>

#include "choose.h"
#include "common/message.h"
#include "entity.h"
#include "part.h"
#include "text.h"

#define MOST_TEXT (64 * 1024) /* octets of a footer */
#define MOST_LINE 900         /* octets: a line of a message has 998 (RFC 5322 section 2.1.1) */

typedef enum
{
  SEALED_LEAVE,
  SEALED_WRAP
} Sealed;

/* Made once, read by all workers. */
typedef struct
{
  char *text;
  char *html;
  char *text_essence;
  char *ascii_essence; /* of a text that had to lose its accents */
  char *html_essence;
} Footer;

typedef struct
{
  const char *text;
  const char *text_file;
  const char *html;
  const char *html_file;
  gint sealed; /* of Sealed */
  gboolean once;
  Footer *footer;
} Config;

static const char *const sealed_choices[] = { "leave", "wrap", NULL };

static const WeirOption options[] = {
  { "text", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, text), NULL,
    "The footer for plain text; \\n is a line break." },
  { "text-file", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, text_file), NULL,
    "The same from a file, in UTF-8." },
  { "html", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, html), NULL,
    "The footer for HTML; the plain one in HTML by default." },
  { "html-file", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, html_file), NULL,
    "The same from a file, in UTF-8." },
  { "signed", WEIR_OPTION_CHOICE, G_STRUCT_OFFSET (Config, sealed), "leave",
    "Signed and encrypted messages: leave them alone, or wrap them together with the footer.",
    .choices = sealed_choices },
  { "once", WEIR_OPTION_BOOLEAN, G_STRUCT_OFFSET (Config, once), "true",
    "Not into a text that has it already, quoted in an answer for instance." },
  { NULL },
};

/* ---- Loading ---- */

static char *
read_text (const char *text, const char *path, GError **error)
{
  g_autofree char *read = NULL;
  GString *lines;
  gsize length;

  if (path == NULL)
    read = g_strdup (text);
  else if (!g_path_is_absolute (path))
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "\"%s\" is not its whole path", path);
  else if (g_file_get_contents (path, &read, &length, error) && strlen (read) != length)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s has a NUL", path);
      return NULL;
    }
  if (read == NULL)
    return NULL;
  lines = g_string_new (read);
  g_string_replace (lines, "\r\n", "\n", 0);
  return g_string_free (lines, FALSE);
}

/* What is wrong with a footer; NULL: nothing. */
static const char *
check_text (const char *text)
{
  if (!g_utf8_validate (text, -1, NULL))
    return "is not UTF-8";
  if (strlen (text) > MOST_TEXT)
    return "has more than 65536 octets";
  if (*text == '\0')
    return "is empty";
  for (; *text != '\0'; text += strcspn (text, "\n") + (text[strcspn (text, "\n")] == '\n'))
    if (strcspn (text, "\n") > MOST_LINE)
      return "has a line of more than 900 octets";
  return NULL;
}

/* The text of one of two options, checked. FALSE: `error` is set. `*out` is NULL when neither is
 * given. */
static gboolean
load_text (WeirLoad *load, const char *const *names, const char *text, const char *path, char **out,
           GError **error)
{
  g_autoptr (GError) problem = NULL;
  const char *name = path != NULL ? names[1] : names[0];
  const char *wrong;

  if (text != NULL && path != NULL)
    {
      weir_load_error (load, error, name, "there is %s already", names[0]);
      return FALSE;
    }
  *out = read_text (text, path, &problem);
  wrong = *out != NULL ? check_text (*out) : NULL;
  if (problem != NULL)
    weir_load_error (load, error, name, "%s", problem->message);
  else if (wrong != NULL)
    weir_load_error (load, error, name, "the footer %s", wrong);
  return problem == NULL && wrong == NULL;
}

/* What `load` has made stays until the process ends: it has no counterpart that could free it. */
static Footer *
keep (char *text, char *html)
{
  static GPtrArray *all;
  Footer *footer = g_new0 (Footer, 1);

  if (all == NULL)
    all = g_ptr_array_new ();
  g_ptr_array_add (all, footer);
  footer->text = text;
  footer->html = html != NULL ? html : text_to_html (text);
  footer->text_essence = text_essence (footer->text, FALSE);
  footer->ascii_essence = text_without_accents (footer->text_essence);
  footer->html_essence = text_essence (footer->html, TRUE);
  return footer;
}

static gboolean
load_footer (WeirLoad *load, gpointer data, GError **error)
{
  static const char *const text_names[] = { "text", "text-file" };
  static const char *const html_names[] = { "html", "html-file" };
  Config *config = data;
  g_autofree char *text = NULL;
  g_autofree char *html = NULL;

  if (!load_text (load, text_names, config->text, config->text_file, &text, error)
      || !load_text (load, html_names, config->html, config->html_file, &html, error))
    return FALSE;
  if (text == NULL)
    {
      weir_load_error (load, error, NULL, "neither text nor text-file says what the footer is");
      return FALSE;
    }
  config->footer = keep (g_steal_pointer (&text), g_steal_pointer (&html));
  return TRUE;
}

/* ---- One part ---- */

typedef struct
{
  WeirContext *context;
  const Config *config;
  char *bytes;
  gsize size;
  gboolean failed;
  guint added;
  const char *outcome; /* for the note: why not, or how */
} Run;

typedef struct
{
  GMimeObject *object;
  Part part;
  gsize header; /* where its fields begin */
  gsize body;
  GBytes *content;
} Place;

/* A field that is there once, or not at all; FALSE: more often, and what holds nobody knows. */
static gboolean
is_clear (GMimeObject *object)
{
  static const char *const names[] = { "Content-Type", "Content-Transfer-Encoding" };
  GMimeHeaderList *list = g_mime_object_get_header_list (object);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      guint count = 0;

      for (gint j = 0; j < g_mime_header_list_get_count (list); j++)
        count += g_ascii_strcasecmp (
                     g_mime_header_get_name (g_mime_header_list_get_header_at (list, j)), names[i])
                 == 0;
      if (count > 1)
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_encoding (GMimePart *part, PartEncoding *encoding)
{
  switch (g_mime_part_get_content_encoding (part))
    {
    case GMIME_CONTENT_ENCODING_DEFAULT:
    case GMIME_CONTENT_ENCODING_7BIT:
      *encoding = PART_SEVEN_BIT;
      return g_mime_object_get_header (GMIME_OBJECT (part), "Content-Transfer-Encoding") == NULL
             || g_mime_part_get_content_encoding (part) == GMIME_CONTENT_ENCODING_7BIT;
    case GMIME_CONTENT_ENCODING_8BIT:
    case GMIME_CONTENT_ENCODING_BINARY:
      *encoding = PART_IDENTITY;
      return TRUE;
    case GMIME_CONTENT_ENCODING_BASE64:
      *encoding = PART_BASE64;
      return TRUE;
    case GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE:
      *encoding = PART_QUOTED;
      return TRUE;
    default:
      return FALSE;
    }
}

/* Where the part stands in the message's bytes; FALSE: it is not certain. */
static gboolean
find_bytes (const Run *run, Place *place)
{
  GMimeDataWrapper *wrapper = g_mime_part_get_content (GMIME_PART (place->object));
  GMimeStream *stream = wrapper == NULL ? NULL : g_mime_data_wrapper_get_stream (wrapper);
  GMimeHeaderList *list = g_mime_object_get_header_list (place->object);
  gint64 end;

  if (stream == NULL)
    return FALSE;
  end = stream->bound_end < 0 ? (gint64) run->size : stream->bound_end;
  if (stream->bound_start < 2 || end < stream->bound_start || (gsize) end > run->size)
    return FALSE;
  place->body = (gsize) stream->bound_start;
  place->part.raw = run->bytes + place->body;
  place->part.raw_length = (gsize) (end - stream->bound_start);
  place->header = place->body - 2;
  if (g_mime_header_list_get_count (list) > 0)
    {
      GMimeHeader *first = g_mime_header_list_get_header_at (list, 0);
      gint64 offset = g_mime_header_get_offset (first);
      const char *name = g_mime_header_get_name (first);

      if (offset < 0 || (gsize) offset + strlen (name) > place->body
          || g_ascii_strncasecmp (run->bytes + offset, name, strlen (name)) != 0)
        return FALSE;
      place->header = (gsize) offset;
    }
  return memcmp (run->bytes + place->body - 2, "\r\n", 2) == 0;
}

/* GMime looks for a header behind empty lines, where the gateway takes all for body. */
static gboolean
agrees_on_body (const Run *run, const Place *place)
{
  GMimeObject *root = g_mime_message_get_mime_part (weir_message_mime (run->context));
  gsize body = 0;

  return place->object != root
         || (common_message_find_body (run->bytes, run->size, &body) && body == place->body);
}

static gboolean
open_place (Run *run, GMimeObject *object, Place *place)
{
  const char *format = g_mime_object_get_content_type_parameter (object, "format");
  GMimeContentType *type = g_mime_object_get_content_type (object);
  gsize length = 0;

  *place = (Place){ .object = object };
  place->content = weir_part_content (run->context, (struct _GMimeObject *) object);
  if (place->content == NULL || !is_clear (object) || !find_bytes (run, place)
      || !agrees_on_body (run, place)
      || !read_encoding (GMIME_PART (object), &place->part.encoding))
    return FALSE;
  place->part.charset = g_mime_object_get_content_type_parameter (object, "charset");
  place->part.html = g_mime_content_type_is_type (type, "text", "html");
  place->part.flowed = format != NULL && g_ascii_strcasecmp (format, "flowed") == 0;
  place->part.content = g_bytes_get_data (place->content, &length);
  place->part.content_length = length;
  if (place->part.content == NULL)
    place->part.content = "";
  return TRUE;
}

static void
close_place (Place *place)
{
  g_clear_pointer (&place->content, g_bytes_unref);
}

/* OpenPGP without MIME. */
static gboolean
is_armoured (const Place *place)
{
  const char *mark = "-----BEGIN PGP ";
  const char *at = g_strstr_len (place->part.content, (gssize) place->part.content_length, mark);

  return at != NULL && (at == place->part.content || at[-1] == '\n');
}

static gboolean
has_footer (const Run *run, const Place *place)
{
  const Footer *footer = run->config->footer;
  const char *wanted = place->part.html ? footer->html_essence : footer->text_essence;
  gsize length;
  g_autofree char *utf8 = part_utf8 (&place->part, &length);
  g_autoptr (GString) text = NULL;
  g_autofree char *essence = NULL;

  if (!run->config->once || *wanted == '\0')
    return FALSE;
  text = utf8 != NULL ? g_string_new_len (utf8, (gssize) length)
                      : g_string_new_len (place->part.content, (gssize) place->part.content_length);
  for (gsize i = 0; i < text->len; i++)
    if (text->str[i] == '\0')
      text->str[i] = ' ';
  essence = text_essence (text->str, place->part.html);
  return strstr (essence, wanted) != NULL
         || (!place->part.html && strstr (essence, footer->ascii_essence) != NULL);
}

/* ---- Edits ---- */

/* The value that Content-Type is to have; NULL: there is none, or it can not be changed. */
static char *
new_type (const Place *place, const PartChange *change)
{
  GMimeHeaderList *list = g_mime_object_get_header_list (place->object);
  GMimeHeader *field = g_mime_header_list_get_header (list, "Content-Type");

  if (field == NULL)
    return g_strdup_printf ("text/plain; charset=%s", change->charset);
  return entity_set_charset (g_mime_header_get_raw_value (field), change->charset);
}

static gboolean
set_field (WeirContext *context, const char *name, const char *value, GError **error)
{
  guint index = weir_header_find (context, name, 0);

  if (value == NULL)
    return TRUE;
  return index == WEIR_NO_HEADER ? weir_header_append (context, name, value, error)
                                 : weir_header_change (context, index, value, error);
}

/* The message's only part: its header stays where it is. */
static gboolean
edit_root (Run *run, const PartChange *change, const char *type, GError **error)
{
  const char *version
      = weir_header_find (run->context, "MIME-Version", 0) == WEIR_NO_HEADER ? "1.0" : NULL;
  gboolean changed = type != NULL || change->encoding != NULL;

  return set_field (run->context, "MIME-Version", changed ? version : NULL, error)
         && set_field (run->context, "Content-Type", type, error)
         && set_field (run->context, "Content-Transfer-Encoding", change->encoding, error)
         && weir_body_replace (run->context, change->raw->str, (gssize) change->raw->len, error);
}

static gboolean
edit_child (Run *run, const Place *place, const PartChange *change, const char *type)
{
  g_autofree char *block = g_strndup (run->bytes + place->header, place->body - place->header);
  g_autoptr (GString) entity = NULL;

  if (type != NULL)
    {
      char *fresh = entity_set_field (block, "Content-Type", type);

      g_free (block);
      block = fresh;
    }
  if (change->encoding != NULL)
    {
      char *fresh = entity_set_field (block, "Content-Transfer-Encoding", change->encoding);

      g_free (block);
      block = fresh;
    }
  entity = g_string_new (block);
  g_string_append_len (entity, change->raw->str, (gssize) change->raw->len);
  return weir_part_replace (run->context, (struct _GMimeObject *) place->object, entity->str,
                            (gssize) entity->len, NULL);
}

static void
edit (Run *run, const Place *place, PartChange *change)
{
  GMimeObject *root = g_mime_message_get_mime_part (weir_message_mime (run->context));
  g_autofree char *type = change->charset != NULL ? new_type (place, change) : NULL;
  g_autoptr (GError) error = NULL;

  if (change->charset != NULL && type == NULL)
    {
      run->outcome = "none, a charset that can not be changed";
      return;
    }
  if (place->object != root)
    {
      /* The host takes no edit where two readings differ on the part's place. */
      if (edit_child (run, place, change, type))
        run->added++;
      else
        run->outcome = "none, a part whose place is not certain";
      return;
    }
  if (edit_root (run, change, type, &error))
    {
      run->added++;
      return;
    }
  weir_fail (run->context, "can not edit: %s", error->message);
  run->failed = TRUE;
}

static void
add_to (Run *run, const Place *place)
{
  const Footer *footer = run->config->footer;
  PartChange change = { 0 };

  if (has_footer (run, place))
    run->outcome = "none, it is there already";
  else if (part_add (&place->part, place->part.html ? footer->html : footer->text, &change))
    edit (run, place, &change);
  else
    run->outcome = "none, an unknown charset";
  part_change_clear (&change);
}

static Choice
open_all (Run *run, GPtrArray *parts, GArray *places)
{
  Choice choice = CHOICE_FOUND;

  for (guint i = 0; i < parts->len; i++)
    {
      Place place;
      gboolean clear = open_place (run, parts->pdata[i], &place);

      g_array_append_val (places, place);
      if (!clear)
        return CHOICE_UNCLEAR;
      if (is_armoured (&place))
        choice = CHOICE_SEALED;
    }
  return choice;
}

/* Each form of the text. One that can not be taken apart keeps the footer out of all. */
static Choice
add_to_all (Run *run, GPtrArray *parts)
{
  g_autoptr (GArray) places = g_array_new (FALSE, TRUE, sizeof (Place));
  Choice choice;

  g_array_set_clear_func (places, (GDestroyNotify) close_place);
  choice = open_all (run, parts, places);
  for (guint i = 0; choice == CHOICE_FOUND && !run->failed && i < places->len; i++)
    add_to (run, &g_array_index (places, Place, i));
  if (run->added > 0)
    run->outcome = run->added < parts->len ? "added, not to all forms of the text" : "added";
  return choice;
}

/* ---- Wrapping ---- */

static void
append_own_fields (WeirContext *context, GString *out)
{
  for (guint i = 0; i < weir_header_count (context); i++)
    {
      const char *name = weir_header_name (context, i);

      if (g_ascii_strncasecmp (name, "Content-", 8) == 0)
        g_string_append_printf (out, "%s:%s\r\n", name, weir_header_raw (context, i));
    }
}

/* The message as it is becomes the first part of a new one, byte for byte. */
static void
wrap (Run *run)
{
  g_autofree char *boundary = g_uuid_string_random ();
  g_autofree char *note = weir_part_text (run->config->footer->text);
  g_autoptr (GString) entity = g_string_new (NULL);
  GMimeObject *root = g_mime_message_get_mime_part (weir_message_mime (run->context));
  gsize body = 0;

  common_message_find_body (run->bytes, run->size, &body);
  g_string_append_printf (entity, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\n",
                          boundary, boundary);
  append_own_fields (run->context, entity);
  g_string_append (entity, "\r\n");
  g_string_append_len (entity, run->bytes + body, (gssize) (run->size - body));
  g_string_append_printf (entity, "\r\n--%s\r\n%s\r\n--%s--\r\n", boundary, note, boundary);
  if (weir_part_replace (run->context, (struct _GMimeObject *) root, entity->str,
                         (gssize) entity->len, NULL))
    run->outcome = "wrapped";
}

/* ---- The hook ---- */

static void
add_footer (Run *run)
{
  GMimeMessage *message = weir_message_mime (run->context);
  g_autoptr (GPtrArray) parts = g_ptr_array_new ();
  Choice choice = message == NULL ? CHOICE_NOTHING : choose_parts (message, parts);

  if (choice == CHOICE_FOUND)
    choice = add_to_all (run, parts);
  switch (choice)
    {
    case CHOICE_FOUND:
      break;
    case CHOICE_UNCLEAR:
      run->outcome = "none, a part that can be read in two ways";
      break;
    case CHOICE_NOTHING:
      run->outcome = "none, no text";
      break;
    case CHOICE_REPORT:
      run->outcome = "none, a report";
      break;
    case CHOICE_SEALED:
      run->outcome = "none, signed or encrypted";
      if (run->config->sealed == SEALED_WRAP)
        wrap (run);
      break;
    }
}

static WeirVerdict
end_of_message (WeirContext *context)
{
  Run run = { .context = context, .config = weir_config (context) };

  run.bytes = common_message_read (context, &run.size);
  if (run.bytes == NULL)
    return weir_fail (context, "the message can not be read");
  add_footer (&run);
  if (!run.failed)
    weir_set_note (context, "footer", "%s", run.outcome);
  g_free (run.bytes);
  return WEIR_PASS;
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "footer",
  .summary = "puts a footer (a disclaimer) under messages",
  .edits = WEIR_EDIT_HEADERS | WEIR_EDIT_PARTS | WEIR_EDIT_BODY,
  .config_size = sizeof (Config),
  .options = options,
  .load = load_footer,
  .end_of_message = end_of_message,
};
