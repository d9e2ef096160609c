/* The filter "headers": adds, replaces and removes header fields, and rewrites addresses in the
 * envelope and in address fields.
 *
 * Everything happens at the end of the headers, so a message that needs no other filter still
 * streams through. An edit that the host refuses is logged and answered 451. */
#include <mailweir/filter.h>

#include <string.h>

#include "common/options.h"
#include "rewrite.h"

#define MAX_LINE 998 /* RFC 5322 section 2.1.1 */

typedef struct
{
  const char *const *add;
  const char *const *prepend;
  const char *const *remove;
  const char *const *replace;
  const char *const *rewrite_sender;
  const char *const *rewrite_recipients;
  const char *const *rewrite_headers;
} Config;

static const WeirOption options[] = {
  { "add", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, add), NULL,
    "Fields (\"Name: value\") to put behind the last one." },
  { "prepend", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, prepend), NULL,
    "Fields to put on top, in this order." },
  { "remove", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, remove), NULL,
    "Names of fields to remove, in any case; * and ? stand for anything and for one character." },
  { "replace", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, replace), NULL,
    "Fields to set: the first of that name changes, others go, and one is added if there is "
    "none." },
  { "rewrite-sender", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, rewrite_sender), NULL,
    "Rules (\"*@old.example => *@new.example\") for the envelope's sender." },
  { "rewrite-recipients", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, rewrite_recipients),
    NULL, "Rules for the envelope's recipients." },
  { "rewrite-headers", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, rewrite_headers), NULL,
    "Rules for the addresses in From, To, Cc, Reply-To and Sender." },
  { NULL }
};

/* ---- Checks at load ---- */

static gboolean
is_name (const char *name, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isgraph (name[i]) || name[i] == ':')
      return FALSE;
  return length > 0;
}

/* What is wrong with "Name: value"; NULL: nothing. */
static const char *
check_field (const char *field)
{
  const char *colon = strchr (field, ':');

  if (colon == NULL)
    return "must read \"Name: value\"";
  if (!is_name (field, (gsize) (colon - field)))
    return "has a name with a character that may not stand in it";
  if (strlen (field) > MAX_LINE)
    return "is longer than a line may be (998 characters)";
  for (const char *p = colon + 1; *p != '\0'; p++)
    {
      if ((guchar) *p >= 0x80)
        return "has a character that is not ASCII: write it as an encoded-word (=?utf-8?q?...?=)";
      if (g_ascii_iscntrl (*p) && *p != '\t')
        return "has a control character";
    }
  return NULL;
}

static const char *
check_glob (const char *glob)
{
  return is_name (glob, strlen (glob)) ? NULL : "is no field name";
}

static gboolean
load_headers (WeirLoad *load, gpointer data, GError **error)
{
  const Config *config = data;

  return common_options_check_list (load, "add", config->add, check_field, error)
         && common_options_check_list (load, "prepend", config->prepend, check_field, error)
         && common_options_check_list (load, "remove", config->remove, check_glob, error)
         && common_options_check_list (load, "replace", config->replace, check_field, error)
         && common_options_check_list (load, "rewrite-sender", config->rewrite_sender,
                                       rewrite_check, error)
         && common_options_check_list (load, "rewrite-recipients", config->rewrite_recipients,
                                       rewrite_check, error)
         && common_options_check_list (load, "rewrite-headers", config->rewrite_headers,
                                       rewrite_check, error);
}

/* ---- The envelope ---- */

static gboolean
rewrite_sender (WeirContext *context, const Config *config, GError **error)
{
  const char *sender = weir_sender (context);
  g_autofree char *fresh = NULL;

  if (sender != NULL)
    fresh = rewrite_address (config->rewrite_sender, sender, strlen (sender));
  return fresh == NULL || weir_set_sender (context, fresh, weir_sender_parameters (context), error);
}

/* A recipient as it was before the first edit. */
typedef struct
{
  char *address;
  char **parameters; /* may be NULL */
  char *fresh;       /* NULL: stays */
} Recipient;

static void
clear_recipient (gpointer data)
{
  Recipient *recipient = data;

  g_free (recipient->address);
  g_strfreev (recipient->parameters);
  g_free (recipient->fresh);
}

static GArray *
list_recipients (WeirContext *context, const Config *config)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (Recipient));
  guint count = weir_recipient_count (context);

  g_array_set_clear_func (list, clear_recipient);
  for (guint i = 0; i < count; i++)
    {
      Recipient recipient = { .address = g_strdup (weir_recipient (context, i)) };

      recipient.parameters = g_strdupv ((char **) weir_recipient_parameters (context, i));
      recipient.fresh = rewrite_address (config->rewrite_recipients, recipient.address,
                                         strlen (recipient.address));
      if (recipient.fresh != NULL && g_ascii_strcasecmp (recipient.fresh, recipient.address) == 0)
        g_clear_pointer (&recipient.fresh, g_free);
      g_array_append_val (list, recipient);
    }
  return list;
}

static gboolean
is_wanted (GArray *list, const char *address)
{
  for (guint i = 0; i < list->len; i++)
    {
      const char *fresh = g_array_index (list, Recipient, i).fresh;

      if (fresh != NULL && g_ascii_strcasecmp (fresh, address) == 0)
        return TRUE;
    }
  return FALSE;
}

/* Removes those that change, but for `keeper` (NULL: none). */
static gboolean
remove_recipients (WeirContext *context, GArray *list, const char *keeper, GError **error)
{
  g_autoptr (GHashTable) gone = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < list->len; i++)
    {
      const Recipient *recipient = &g_array_index (list, Recipient, i);

      if (recipient->fresh == NULL
          || (keeper != NULL && g_ascii_strcasecmp (keeper, recipient->address) == 0)
          || !g_hash_table_add (gone, g_ascii_strdown (recipient->address, -1)))
        continue;
      if (!weir_remove_recipient (context, recipient->address, error))
        return FALSE;
    }
  return TRUE;
}

/* Two that become one, or one that is there already, get one copy. */
static gboolean
add_recipients (WeirContext *context, GArray *list, const char *keeper, GError **error)
{
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < list->len; i++)
    if (g_array_index (list, Recipient, i).fresh == NULL)
      g_hash_table_add (known, g_array_index (list, Recipient, i).address);
  for (guint i = 0; i < list->len; i++)
    {
      const Recipient *recipient = &g_array_index (list, Recipient, i);

      if (recipient->fresh == NULL || !g_hash_table_add (known, recipient->fresh)
          || (keeper != NULL && g_ascii_strcasecmp (keeper, recipient->fresh) == 0))
        continue;
      if (!weir_add_recipient (context, recipient->fresh,
                               (const char *const *) recipient->parameters, error))
        return FALSE;
    }
  return TRUE;
}

/* The old ones go first, so that rules may swap addresses; but a message always has a recipient, so
 * if none would stay, the last one goes last. */
static gboolean
rewrite_recipients (WeirContext *context, const Config *config, GError **error)
{
  g_autoptr (GArray) list = NULL;
  const char *keeper = NULL;

  if (*config->rewrite_recipients == NULL)
    return TRUE;
  list = list_recipients (context, config);
  for (guint i = 0; i < list->len; i++)
    {
      const Recipient *recipient = &g_array_index (list, Recipient, i);

      keeper = recipient->address;
      if (recipient->fresh == NULL)
        {
          keeper = NULL;
          break;
        }
    }
  return remove_recipients (context, list, keeper, error)
         && add_recipients (context, list, keeper, error)
         && (keeper == NULL || is_wanted (list, keeper)
             || weir_remove_recipient (context, keeper, error));
}

/* ---- Fields ---- */

/* "Name: value": whether it is of that name. */
static gboolean
is_field (const char *field, const char *name)
{
  gsize length = strlen (name);

  return g_ascii_strncasecmp (field, name, length) == 0 && field[length] == ':';
}

static const char *
value_of (const char *field)
{
  const char *value = strchr (field, ':') + 1;

  while (*value == ' ' || *value == '\t')
    value++;
  return value;
}

/* Takes back the last star alone, so no pattern takes more than length times length steps. */
static gboolean
glob_matches (const char *glob, const char *text)
{
  const char *behind_star = NULL, *retry = NULL;

  while (*text != '\0')
    {
      if (*glob == '*')
        {
          behind_star = ++glob;
          retry = text;
        }
      else if (*glob == '?'
               || (*glob != '\0' && g_ascii_tolower (*glob) == g_ascii_tolower (*text)))
        {
          glob++;
          text++;
        }
      else if (behind_star != NULL)
        {
          glob = behind_star;
          text = ++retry;
        }
      else
        return FALSE;
    }
  return glob[strspn (glob, "*")] == '\0';
}

static gboolean
matches (const char *const *globs, const char *name)
{
  for (; *globs != NULL; globs++)
    if (glob_matches (*globs, name))
      return TRUE;
  return FALSE;
}

static gboolean
holds_addresses (const char *name)
{
  static const char *const fields[] = { "From", "To", "Cc", "Reply-To", "Sender" };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    if (g_ascii_strcasecmp (name, fields[i]) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
replace_field (WeirContext *context, guint index, const char *field, GError **error)
{
  const char *value = value_of (field);

  if (weir_header_find (context, weir_header_name (context, index), 0) != index)
    return weir_header_remove (context, index, error);
  if (g_strcmp0 (weir_header_value (context, index), value) == 0)
    return TRUE;
  return weir_header_change (context, index, value, error);
}

static gboolean
edit_field (WeirContext *context, const Config *config, guint index, GError **error)
{
  const char *name = weir_header_name (context, index);
  g_autofree char *fresh = NULL;

  for (const char *const *field = config->replace; *field != NULL; field++)
    if (is_field (*field, name))
      return replace_field (context, index, *field, error);
  if (matches (config->remove, name))
    return weir_header_remove (context, index, error);
  if (*config->rewrite_headers == NULL || !holds_addresses (name))
    return TRUE;
  fresh = rewrite_field (config->rewrite_headers, weir_header_raw (context, index));
  return fresh == NULL || weir_header_change (context, index, fresh, error);
}

typedef gboolean (*Put) (WeirContext *context, const char *name, const char *value, GError **error);

static gboolean
put_field (WeirContext *context, const char *field, Put put, GError **error)
{
  g_autofree char *name = g_strndup (field, strcspn (field, ":"));

  return put (context, name, value_of (field), error);
}

/* Backwards, because indexes behind a removed or an inserted field move. */
static gboolean
edit_fields (WeirContext *context, const Config *config, GError **error)
{
  for (guint i = weir_header_count (context); i > 0; i--)
    if (!edit_field (context, config, i - 1, error))
      return FALSE;
  for (guint i = g_strv_length ((char **) config->prepend); i > 0; i--)
    if (!put_field (context, config->prepend[i - 1], weir_header_prepend, error))
      return FALSE;
  for (const char *const *field = config->replace; *field != NULL; field++)
    {
      g_autofree char *name = g_strndup (*field, strcspn (*field, ":"));

      if (weir_header_find (context, name, 0) == WEIR_NO_HEADER
          && !put_field (context, *field, weir_header_append, error))
        return FALSE;
    }
  for (const char *const *field = config->add; *field != NULL; field++)
    if (!put_field (context, *field, weir_header_append, error))
      return FALSE;
  return TRUE;
}

static WeirVerdict
end_of_headers (WeirContext *context)
{
  const Config *config = weir_config (context);
  g_autoptr (GError) error = NULL;

  if (rewrite_sender (context, config, &error) && rewrite_recipients (context, config, &error)
      && edit_fields (context, config, &error))
    return WEIR_PASS;
  weir_log (context, "cannot edit: %s", error->message);
  return weir_reply (context, 451, "4.3.0", "The message could not be edited, try again later");
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "headers",
  .summary = "adds, replaces and removes header fields, rewrites addresses",
  .edits = WEIR_EDIT_SENDER | WEIR_EDIT_RECIPIENTS | WEIR_EDIT_HEADERS,
  .config_size = sizeof (Config),
  .options = options,
  .load = load_headers,
  .end_of_headers = end_of_headers,
};
