/* Reads DKIM-Signature fields as lists of tags, and compares what they cover before and after the
 * edits: each field that h= names, counted from the bottom (RFC 6376 section 5.4.2), and the body
 * from the first line that an edit touches. */
#include "message/signatures.h"

#include <string.h>

#include "message/canonical.h"
#include "message/headers.h"

#define FIELD "DKIM-Signature"
#define MAX_FIELDS 100               /* names in h= that are looked at */
#define MAX_HEADER (4 * 1024 * 1024) /* octets of a header block */
#define PIECE 4096

/* A message's header block, before or after. */
typedef struct
{
  GByteArray *bytes;
  MessageHeaders *headers;
} Block;

static void
signature_free (gpointer data)
{
  MessageSignature *signature = data;

  g_free (signature->domain);
  g_free (signature->selector);
  g_strfreev (signature->fields);
  g_ptr_array_unref (signature->broken);
  g_free (signature);
}

/* ---- Header blocks ---- */

static void
block_read (Block *block, const MessageSource *source, const MessageEdits *edits)
{
  MessageBytes bytes;
  gsize scanned = 0, end = G_MAXSIZE;
  gint c = 0;

  message_bytes_init (&bytes, source, edits, 0);
  block->bytes = g_byte_array_new ();
  while (c >= 0 && end == G_MAXSIZE && block->bytes->len < MAX_HEADER)
    {
      guint8 piece[PIECE];
      guint length = 0;

      while (length < sizeof piece && (c = message_bytes_next (&bytes)) >= 0)
        piece[length++] = (guint8) c;
      g_byte_array_append (block->bytes, piece, length);
      end = message_headers_find_end (block->bytes->data, block->bytes->len, &scanned);
    }
  block->headers = message_headers_scan (block->bytes->data, block->bytes->len, TRUE);
}

static void
block_clear (Block *block)
{
  message_headers_free (block->headers);
  g_byte_array_unref (block->bytes);
}

/* The canonical form of the `nth` field of that name from the bottom; NULL: there is none, which is
 * a state that a signature may cover too (RFC 6376 section 5.4). Caller frees. */
static GString *
field_from_bottom (const Block *block, const gchar *name, guint nth, gboolean relaxed)
{
  guint count = message_headers_count_of (block->headers, name);
  const MessageField *field;

  if (nth >= count)
    return NULL;
  field = message_headers_nth (block->headers,
                               message_headers_find (block->headers, name, count - 1 - nth));
  return message_canonical_field (block->bytes->data + field->start, field->end - field->start,
                                  relaxed);
}

/* ---- Tags ---- */

static gchar *
without_spaces (const gchar *text)
{
  GString *out = g_string_new (NULL);

  for (; *text != '\0'; text++)
    if (!g_ascii_isspace (*text))
      g_string_append_c (out, *text);
  return g_string_free (out, FALSE);
}

static void
take_canonicalization (MessageSignature *signature, const gchar *value)
{
  const gchar *slash = strchr (value, '/');

  signature->relaxed_header = g_ascii_strncasecmp (value, "relaxed", 7) == 0;
  signature->relaxed_body = slash != NULL && g_ascii_strcasecmp (slash + 1, "relaxed") == 0;
}

/* NULL: more names than are looked at. */
static gchar **
split_names (const gchar *value)
{
  g_auto (GStrv) names = g_strsplit (value, ":", MAX_FIELDS + 1);

  return g_strv_length (names) > MAX_FIELDS ? NULL : g_steal_pointer (&names);
}

static void
take_tag (MessageSignature *signature, const gchar *name, const gchar *text)
{
  g_autofree gchar *value = without_spaces (text);

  if (strcmp (name, "d") == 0 && signature->domain == NULL)
    signature->domain = g_steal_pointer (&value);
  else if (strcmp (name, "s") == 0 && signature->selector == NULL)
    signature->selector = g_steal_pointer (&value);
  else if (strcmp (name, "h") == 0 && signature->fields == NULL)
    signature->fields = split_names (value);
  else if (strcmp (name, "c") == 0)
    take_canonicalization (signature, value);
  else if (strcmp (name, "l") == 0)
    signature->octets = g_ascii_strtoull (value, NULL, 10);
}

/* NULL: it names no domain, no selector or no fields. */
static MessageSignature *
parse (const gchar *value)
{
  g_auto (GStrv) tags = g_strsplit (value, ";", -1);
  MessageSignature *signature = g_new0 (MessageSignature, 1);

  signature->octets = G_MAXUINT64;
  signature->broken = g_ptr_array_new_with_free_func (g_free);
  for (gchar **tag = tags; *tag != NULL; tag++)
    {
      gchar *equals = strchr (*tag, '=');

      if (equals == NULL)
        continue;
      *equals = '\0';
      take_tag (signature, g_strstrip (*tag), equals + 1);
    }
  if (signature->domain != NULL && signature->selector != NULL && signature->fields != NULL)
    return signature;
  signature_free (signature);
  return NULL;
}

/* ---- What is broken ---- */

static gboolean
same (const GString *a, const GString *b)
{
  return a == NULL || b == NULL ? a == b : g_string_equal (a, b);
}

static void
free_string (GString *string)
{
  if (string != NULL)
    g_string_free (string, TRUE);
}

/* How often the name stands among the first `end` ones of h=. */
static guint
occurrences (gchar *const *fields, guint end, const gchar *name)
{
  guint count = 0;

  for (guint i = 0; i < end; i++)
    count += g_ascii_strcasecmp (fields[i], name) == 0;
  return count;
}

static gboolean
names (const GPtrArray *broken, const gchar *name)
{
  for (guint i = 0; i < broken->len; i++)
    if (g_ascii_strcasecmp (broken->pdata[i], name) == 0)
      return TRUE;
  return FALSE;
}

static void
compare_fields (MessageSignature *signature, const Block *before, const Block *after)
{
  for (guint i = 0; signature->fields[i] != NULL; i++)
    {
      const gchar *name = signature->fields[i];
      guint nth = occurrences (signature->fields, i, name);
      GString *old = field_from_bottom (before, name, nth, signature->relaxed_header);
      GString *new = field_from_bottom (after, name, nth, signature->relaxed_header);

      if (!same (old, new) && !names (signature->broken, name))
        g_ptr_array_add (signature->broken, g_strdup (name));
      free_string (old);
      free_string (new);
    }
}

/* The signature's own field, whose place among others of its kind does not matter. */
static void
compare_own (MessageSignature *signature, const GString *own, const Block *after)
{
  guint count = message_headers_count_of (after->headers, FIELD);
  gboolean found = FALSE;

  for (guint i = 0; i < count && !found; i++)
    {
      GString *other = field_from_bottom (after, FIELD, i, signature->relaxed_header);

      found = same (own, other);
      free_string (other);
    }
  if (!found)
    g_ptr_array_add (signature->broken, g_strdup (FIELD));
}

/* Where the line begins that stands at `offset` in the source, not before `least`. */
static guint64
line_start (const MessageSource *source, guint64 offset, guint64 least)
{
  gchar piece[PIECE];

  while (offset > least)
    {
      gsize length = (gsize) MIN (offset - least, sizeof piece);
      gssize got = message_source_read (source, offset - length, piece, length, NULL);
      const gchar *feed = got == (gssize) length ? memrchr (piece, '\n', length) : NULL;

      if (got != (gssize) length)
        return least;
      if (feed != NULL)
        return offset - length + (guint64) (feed + 1 - piece);
      offset -= length;
    }
  return least;
}

/* Where the bodies may first differ: `*old` in the source, `*new` in the edited message. FALSE:
 * nowhere. */
static gboolean
first_difference (const MessageSource *source, const MessageEdits *edits, guint64 *old,
                  guint64 *new)
{
  guint64 old_body = *old, new_body = *new;
  gint64 moved = 0;
  guint i = 0;

  for (; i < message_edits_count (edits); i++)
    {
      const MessageEdit *edit = message_edits_nth (edits, i);

      if (edit->offset >= old_body || edit->offset + edit->removed > old_body)
        break;
      moved += edit->inserted == NULL ? 0 : (gint64) g_bytes_get_size (edit->inserted);
      moved -= (gint64) edit->removed;
    }
  if ((gint64) new_body - (gint64) old_body != moved)
    return TRUE;
  if (i == message_edits_count (edits))
    return FALSE;
  *old = line_start (source, MAX (message_edits_nth (edits, i)->offset, old_body), old_body);
  *new = (guint64) ((gint64) *old + moved);
  return TRUE;
}

static void
compare_bodies (MessageSignature *signature, const MessageSource *source, const MessageEdits *edits,
                const Block *before, const Block *after)
{
  guint64 old_body = message_headers_body (before->headers);
  guint64 new_body = message_headers_body (after->headers);
  guint64 old = old_body, new = new_body;
  MessageBytes a, b;

  if (!first_difference (source, edits, &old, &new))
    return;
  /* How many octets are covered is counted from the start. */
  message_bytes_init (&a, source, NULL, signature->octets == G_MAXUINT64 ? old : old_body);
  message_bytes_init (&b, source, edits, signature->octets == G_MAXUINT64 ? new : new_body);
  if (!message_canonical_same_body (&a, &b, signature->relaxed_body, signature->octets))
    g_ptr_array_add (signature->broken, g_strdup ("body"));
}

static void
compare (GPtrArray *signatures, GPtrArray *own, const MessageSource *source,
         const MessageEdits *edits, const Block *before)
{
  Block after;

  block_read (&after, source, edits);
  for (guint i = 0; i < signatures->len; i++)
    {
      MessageSignature *signature = signatures->pdata[i];

      compare_own (signature, own->pdata[i], &after);
      compare_fields (signature, before, &after);
      compare_bodies (signature, source, edits, before, &after);
    }
  block_clear (&after);
}

GPtrArray *
message_signatures_check (const MessageSource *source, const MessageEdits *edits)
{
  GPtrArray *signatures = g_ptr_array_new_with_free_func (signature_free);
  g_autoptr (GPtrArray) own = g_ptr_array_new_with_free_func ((GDestroyNotify) free_string);
  Block before;
  guint count;

  block_read (&before, source, NULL);
  count = message_headers_count_of (before.headers, FIELD);
  for (guint i = 0; i < MIN (count, MESSAGE_MAX_SIGNATURES); i++)
    {
      g_autofree gchar *value
          = message_headers_value (before.headers, message_headers_find (before.headers, FIELD, i));
      MessageSignature *signature = parse (value);

      if (signature == NULL)
        continue;
      g_ptr_array_add (signatures, signature);
      g_ptr_array_add (
          own, field_from_bottom (&before, FIELD, count - 1 - i, signature->relaxed_header));
    }
  if (signatures->len > 0 && edits != NULL)
    compare (signatures, own, source, edits, &before);
  block_clear (&before);
  return signatures;
}

gchar *
message_signatures_broken (const GPtrArray *signatures)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < signatures->len; i++)
    {
      const MessageSignature *signature = signatures->pdata[i];

      for (guint j = 0; j < signature->broken->len; j++)
        if (j > 0)
          g_string_append_printf (text, ", %s", (gchar *) signature->broken->pdata[j]);
        else
          g_string_append_printf (text, "%s%s/%s: %s", text->len > 0 ? "; " : "", signature->domain,
                                  signature->selector, (gchar *) signature->broken->pdata[j]);
    }
  return g_string_free (text, text->len == 0);
}
