/* Edits of the envelope and of header fields. Each is checked before anything changes: kind
 * declared, moment right, address or name or value in order; FALSE and a GError with the offending
 * value otherwise. */
#include <string.h>

#include "base/address.h"
#include "worker/context.h"

static gboolean
fail (GError **error, const gchar *text, const gchar *value)
{
  g_autofree gchar *shown = g_strescape (value, NULL);

  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: \"%s\"", text, shown);
  return FALSE;
}

/* What goes into MAIL or RCPT: nothing that could end the path or the line. */
static gboolean
check_path (const char *address, const char *const *parameters, BasePathFlags flags, GError **error)
{
  g_autofree gchar *bracketed = g_strdup_printf ("<%s>", address);
  g_autofree gchar *parsed = NULL;
  gsize used = 0;

  parsed = base_path_parse (bracketed, strlen (bracketed), flags | BASE_PATH_UTF8, &used, error);
  if (parsed == NULL)
    return FALSE;
  if (used != strlen (bracketed) || strcmp (parsed, address) != 0)
    return fail (error, "no plain address", address);
  for (guint i = 0; parameters != NULL && parameters[i] != NULL; i++)
    {
      if (i >= 64 || strlen (parameters[i]) > 1024)
        return fail (error, "too many parameters, or one too long", address);
      for (const char *at = parameters[i]; *at != '\0'; at++)
        if ((guchar) *at <= ' ' || *at == 127)
          return fail (error, "a parameter with a space or control character", parameters[i]);
      if (!g_ascii_isalnum (*parameters[i]))
        return fail (error, "no parameter", parameters[i]);
    }
  return TRUE;
}

gboolean
weir_set_sender (WeirContext *context, const char *address, const char *const *parameters,
                 GError **error)
{
  if (!worker_context_may_edit (context, WEIR_EDIT_SENDER, error)
      || !check_path (address, parameters, BASE_PATH_NULL, error))
    return FALSE;
  if (context->record->sender != NULL)
    context->old_paths
        = g_slist_prepend (context->old_paths, g_steal_pointer (&context->record->sender));
  context->record->sender = base_path_new (address, parameters);
  return TRUE;
}

/* The filter's own list of recipients: a copy of the chain's at the first change. */
static GPtrArray *
own_recipients (WeirContext *context)
{
  GPtrArray *own = context->record->recipients;

  if (own != NULL)
    return own;
  own = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  for (guint i = 0; context->recipients != NULL && i < context->recipients->len; i++)
    g_ptr_array_add (own, base_path_copy (g_ptr_array_index (context->recipients, i)));
  context->record->recipients = own;
  return own;
}

gboolean
weir_add_recipient (WeirContext *context, const char *address, const char *const *parameters,
                    GError **error)
{
  if (!worker_context_may_edit (context, WEIR_EDIT_RECIPIENTS, error)
      || !check_path (address, parameters, BASE_PATH_POSTMASTER, error))
    return FALSE;
  g_ptr_array_add (own_recipients (context), base_path_new (address, parameters));
  return TRUE;
}

gboolean
weir_remove_recipient (WeirContext *context, const char *address, GError **error)
{
  guint count = weir_recipient_count (context);
  guint same = 0;
  GPtrArray *list = NULL;

  if (!worker_context_may_edit (context, WEIR_EDIT_RECIPIENTS, error))
    return FALSE;
  for (guint i = 0; i < count; i++)
    same += g_ascii_strcasecmp (weir_recipient (context, i), address) == 0;
  if (same == 0)
    return fail (error, "no such recipient", address);
  if (same == count)
    return fail (error, "the last recipient can not be removed", address);
  list = own_recipients (context);
  for (guint i = list->len; i > 0; i--)
    if (g_ascii_strcasecmp (((BasePath *) g_ptr_array_index (list, i - 1))->address, address) == 0)
      context->old_paths
          = g_slist_prepend (context->old_paths, g_ptr_array_steal_index (list, i - 1));
  return TRUE;
}

/* RFC 5322 section 2.2: printable US-ASCII but the colon. */
static gboolean
check_name (const char *name, GError **error)
{
  if (*name == '\0' || strlen (name) > 256)
    return fail (error, "no header name", name);
  for (const char *at = name; *at != '\0'; at++)
    if ((guchar) *at <= ' ' || (guchar) *at >= 127 || *at == ':')
      return fail (error, "no header name", name);
  return TRUE;
}

/* What stands behind the colon: CRLF in folds; white space first, unless `exact`. NULL: error. */
static gchar *
make_raw (const char *value, gboolean exact, GError **error)
{
  g_autoptr (GString) raw = g_string_sized_new (strlen (value) + 8);
  const char *at = value;

  if (!exact && *value != ' ' && *value != '\t')
    g_string_append_c (raw, ' ');
  while (*at != '\0')
    {
      gsize plain = strcspn (at, "\r\n");

      g_string_append_len (raw, at, (gssize) plain);
      at += plain;
      if (*at == '\0')
        break;
      if (*at == '\r' && at[1] == '\n')
        at++;
      if (*at == '\r' || (at[1] != ' ' && at[1] != '\t'))
        {
          fail (error, "a line break that no white space follows in a header value", value);
          return NULL;
        }
      g_string_append_len (raw, "\r\n", 2);
      at++;
    }
  return g_string_free (g_steal_pointer (&raw), FALSE);
}

static gboolean
insert_field (WeirContext *context, guint index, const char *name, const char *value,
              gboolean exact, GError **error)
{
  g_autofree gchar *raw = NULL;

  if (!worker_context_may_edit (context, WEIR_EDIT_HEADERS, error) || !check_name (name, error))
    return FALSE;
  raw = make_raw (value, exact, error);
  if (raw == NULL)
    return FALSE;
  worker_headers_insert (worker_context_headers (context), MIN (index, weir_header_count (context)),
                         name, raw);
  return TRUE;
}

gboolean
weir_header_prepend (WeirContext *context, const char *name, const char *value, GError **error)
{
  return insert_field (context, 0, name, value, FALSE, error);
}

gboolean
weir_header_append (WeirContext *context, const char *name, const char *value, GError **error)
{
  return insert_field (context, G_MAXUINT, name, value, FALSE, error);
}

gboolean
weir_header_insert (WeirContext *context, guint index, const char *name, const char *value,
                    GError **error)
{
  return insert_field (context, index, name, value, FALSE, error);
}

gboolean
weir_header_insert_raw (WeirContext *context, guint index, const char *name, const char *raw,
                        GError **error)
{
  return insert_field (context, index, name, raw, TRUE, error);
}

static gboolean
check_index (WeirContext *context, guint index, GError **error)
{
  guint count = weir_header_count (context);

  if (!worker_context_may_edit (context, WEIR_EDIT_HEADERS, error))
    return FALSE;
  if (index < count)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "no header field %u, there are %u", index,
               count);
  return FALSE;
}

static gboolean
change_field (WeirContext *context, guint index, const char *value, gboolean exact, GError **error)
{
  g_autofree gchar *raw = NULL;

  if (!check_index (context, index, error))
    return FALSE;
  raw = make_raw (value, exact, error);
  if (raw == NULL)
    return FALSE;
  worker_headers_change (worker_context_headers (context), index, raw);
  return TRUE;
}

gboolean
weir_header_change (WeirContext *context, guint index, const char *value, GError **error)
{
  return change_field (context, index, value, FALSE, error);
}

gboolean
weir_header_change_raw (WeirContext *context, guint index, const char *raw, GError **error)
{
  return change_field (context, index, raw, TRUE, error);
}

gboolean
weir_header_remove (WeirContext *context, guint index, GError **error)
{
  if (!check_index (context, index, error))
    return FALSE;
  worker_headers_remove (worker_context_headers (context), index);
  return TRUE;
}
