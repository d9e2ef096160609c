/* Raw header fields: what is looked at before a parser is let near them. Nothing here can fail: a
 * field without a colon has no name and an empty value. */
#include "mime/fields.h"

#include <string.h>

gsize
mime_field_name (const guint8 *field, gsize length)
{
  const guint8 *colon = length == 0 ? NULL : memchr (field, ':', length);
  gsize name = colon == NULL ? 0 : (gsize) (colon - field);

  while (name > 0 && (field[name - 1] == ' ' || field[name - 1] == '\t'))
    name--;
  for (gsize i = 0; i < name; i++)
    if (field[i] <= ' ' || field[i] >= 127)
      return 0;
  return name;
}

static gboolean
begins_with (const guint8 *name, gsize length, const gchar *with, gsize size)
{
  return length >= size && g_ascii_strncasecmp ((const gchar *) name, with, size) == 0;
}

#define ROW(name)                                                                                  \
  {                                                                                                \
    name, sizeof (name) - 1                                                                        \
  }

static gboolean
is_address (const guint8 *name, gsize length)
{
  static const struct
  {
    const gchar *name;
    gsize length;
  } names[] = { ROW ("From"),
                ROW ("Sender"),
                ROW ("Reply-To"),
                ROW ("To"),
                ROW ("Cc"),
                ROW ("Bcc"),
                ROW ("Resent-From"),
                ROW ("Resent-Sender"),
                ROW ("Resent-To"),
                ROW ("Resent-Cc"),
                ROW ("Resent-Bcc"),
                ROW ("Resent-Reply-To"),
                ROW ("Return-Path"),
                ROW ("Errors-To"),
                ROW ("Mail-Followup-To"),
                ROW ("Disposition-Notification-To") };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (names[i].length == length && begins_with (name, length, names[i].name, length))
      return TRUE;
  return FALSE;
}

MimeFieldKind
mime_field_kind (const guint8 *name, gsize length)
{
  static const gsize content = sizeof "Content-" - 1;

  if (length == content || !begins_with (name, length, "Content-", content))
    return is_address (name, length) ? MIME_FIELD_ADDRESS : MIME_FIELD_OTHER;
  name += content;
  length -= content;
  if (length == 4 && begins_with (name, length, "Type", 4))
    return MIME_FIELD_TYPE;
  if (length == 11 && begins_with (name, length, "Disposition", 11))
    return MIME_FIELD_DISPOSITION;
  return MIME_FIELD_CONTENT;
}

gboolean
mime_field_is_content (const guint8 *field, gsize length)
{
  return mime_field_kind (field, mime_field_name (field, length)) >= MIME_FIELD_CONTENT;
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
  const guint8 *at = field + mime_field_name (field, length);
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
