/* Raw header fields: what is looked at before a parser is let near them. Nothing here can fail: a
 * field without a colon has no name and an empty value. */
#include "mime/fields.h"

#include <string.h>

/* The length of the name, without white space before the colon; 0: no colon. */
static gsize
name_length (const guint8 *field, gsize length)
{
  const guint8 *colon = length == 0 ? NULL : memchr (field, ':', length);
  gsize name = colon == NULL ? 0 : (gsize) (colon - field);

  while (name > 0 && (field[name - 1] == ' ' || field[name - 1] == '\t'))
    name--;
  return name;
}

gboolean
mime_field_is (const guint8 *field, gsize length, const gchar *name)
{
  gsize have = name_length (field, length);

  return have == strlen (name) && g_ascii_strncasecmp ((const gchar *) field, name, have) == 0;
}

gboolean
mime_field_is_valid (const guint8 *field, gsize length)
{
  gsize name = name_length (field, length);

  for (gsize i = 0; i < name; i++)
    if (field[i] <= ' ' || field[i] >= 127)
      return FALSE;
  return name > 0;
}

gboolean
mime_field_is_content (const guint8 *field, gsize length)
{
  return name_length (field, length) > strlen ("Content-")
         && g_ascii_strncasecmp ((const gchar *) field, "Content-", strlen ("Content-")) == 0;
}

static gboolean
is_one_of (const guint8 *field, gsize length, const gchar *const *names)
{
  gsize have = name_length (field, length);

  for (; *names != NULL; names++)
    if (have == strlen (*names) && g_ascii_strncasecmp ((const gchar *) field, *names, have) == 0)
      return TRUE;
  return FALSE;
}

gboolean
mime_field_is_address (const guint8 *field, gsize length)
{
  static const gchar *const names[]
      = { "From",        "Sender",    "Reply-To",         "To",
          "Cc",          "Bcc",       "Resent-From",      "Resent-Sender",
          "Resent-To",   "Resent-Cc", "Resent-Bcc",       "Resent-Reply-To",
          "Return-Path", "Errors-To", "Mail-Followup-To", "Disposition-Notification-To",
          NULL };

  return is_one_of (field, length, names);
}

gboolean
mime_field_has_parameters (const guint8 *field, gsize length)
{
  static const gchar *const names[] = { "Content-Type", "Content-Disposition", NULL };

  return is_one_of (field, length, names);
}

/* Behind a quoted string or a comment that starts at `at`, or `end`. */
static const guint8 *
skip_delimited (const guint8 *at, const guint8 *end)
{
  gboolean comment = *at == '(';
  guint depth = 1;

  for (at++; at < end && depth > 0; at++)
    if (*at == '\\' && at + 1 < end)
      at++;
    else if (comment && *at == '(')
      depth++;
    else if (*at == (comment ? ')' : '"'))
      depth--;
  return at;
}

static gboolean
is_space (guint8 byte)
{
  return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* A quote opens a string only right behind '=': elsewhere GMime takes it as part of a word. A value
 * that is no string goes on to a ';' or a space, whatever '=' is in it: real programs write
 * encoded-words there. */
gsize
mime_field_longest_parameter (const guint8 *field, gsize length)
{
  const guint8 *end = field + length;
  const guint8 *at = field + name_length (field, length);
  gboolean in_value = FALSE, begun = FALSE;
  gsize run = 0, longest = 0;

  while (at < end)
    {
      if (*at == '(' || (*at == '"' && in_value && !begun))
        {
          in_value = in_value && *at == '(' && !begun;
          at = skip_delimited (at, end);
          run = 0;
          continue;
        }
      if (*at == '=' && !in_value)
        {
          longest = MAX (longest, run);
          in_value = TRUE;
          begun = FALSE;
        }
      else if (*at == ';' || (is_space (*at) && begun))
        in_value = FALSE;
      else if (!is_space (*at))
        begun = TRUE;
      run = in_value || *at == ';' || is_space (*at) ? 0 : run + 1;
      at++;
    }
  return longest;
}

gchar *
mime_field_value (const guint8 *field, gsize length)
{
  const guint8 *colon = length == 0 ? NULL : memchr (field, ':', length);
  gsize start = colon == NULL ? length : (gsize) (colon + 1 - field);
  gchar *value = g_strndup ((const gchar *) field + start, length - start);

  return g_strstrip (g_strdelimit (value, "\r\n", ' '));
}
