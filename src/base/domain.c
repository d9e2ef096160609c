/* Host names, address literals and the patterns that claim them. Everything here answers yes or no
 * and can not fail; no name is looked up, and no internationalised name converted. */
#include "base/address.h"

#include <string.h>

static gboolean
is_literal (const gchar *domain, gsize length)
{
  if (length < 3 || domain[0] != '[' || domain[length - 1] != ']')
    return FALSE;
  for (gsize i = 1; i < length - 1; i++)
    if (!g_ascii_isgraph (domain[i]) || strchr ("[]\\<>@\"(),;", domain[i]) != NULL)
      return FALSE;
  return TRUE;
}

/* Graphic, without "<>()[]\",;@\\"; and those over 127. */
static const guint8 valid_octets[256]
    = { ['!'] = TRUE,         ['#' ... '\''] = TRUE, ['*' ... '+'] = TRUE,
        ['-' ... ':'] = TRUE, ['='] = TRUE,          ['?'] = TRUE,
        ['A' ... 'Z'] = TRUE, ['^' ... '~'] = TRUE,  [0x80 ... 0xff] = TRUE };

gboolean
base_domain_is_valid (const gchar *domain, gsize length)
{
  if (length == 0 || length > BASE_ADDRESS_MAX_DOMAIN)
    return FALSE;
  if (is_literal (domain, length))
    return TRUE;
  guint8 all = 0;
  for (gsize i = 0; i < length; i++)
    {
      if (!valid_octets[(guint8) domain[i]])
        return FALSE;
      all |= (guint8) domain[i];
    }
  return all < 128 || g_utf8_validate_len (domain, length, NULL);
}

/* Of a label. */
static const guint8 label_octets[256]
    = { ['-'] = TRUE, ['0' ... '9'] = TRUE, ['A' ... 'Z'] = TRUE,
        ['_'] = TRUE, ['a' ... 'z'] = TRUE, [0x80 ... 0xff] = TRUE };

gboolean
base_domain_is_strict (const gchar *domain, gsize length)
{
  gboolean label = FALSE;
  guint8 all = 0;

  if (length == 0 || length > BASE_ADDRESS_MAX_DOMAIN)
    return FALSE;
  if (domain[0] == '[')
    return base_domain_is_valid (domain, length);
  for (gsize i = 0; i < length; i++)
    {
      guint8 c = (guint8) domain[i];
      if (!label_octets[c] && (c != '.' || !label))
        return FALSE;
      label = c != '.';
      all |= c;
    }
  return all < 128 || g_utf8_validate_len (domain, length, NULL);
}

/* Without the last dot of an absolute name. */
static gsize
name_length (const gchar *name)
{
  gsize length = strlen (name);

  return length > 1 && name[length - 1] == '.' ? length - 1 : length;
}

guint
base_domain_match (const gchar *pattern, const gchar *domain)
{
  if (g_str_equal (pattern, "*"))
    return 1;
  if (domain == NULL)
    return 0;
  gsize wanted = name_length (pattern);
  gsize given = name_length (domain);
  if (wanted == 0 || given < wanted)
    return 0;
  /* ".example.org" is all below it, "example.org" itself only; the longer claim is the more
   * specific one. */
  gboolean below = pattern[0] == '.';
  if (below ? (wanted < 2 || given == wanted) : given != wanted)
    return 0;
  if (g_ascii_strncasecmp (domain + given - wanted, pattern, wanted) != 0)
    return 0;
  return (guint) wanted + 1;
}

/* Behind one character: an octet, or the octets of a UTF-8 character. */
static const gchar *
skip_character (const gchar *text)
{
  text++;
  while (((guchar) *text & 0xc0) == 0x80)
    text++;
  return text;
}

gboolean
base_glob_match (const gchar *pattern, const gchar *text)
{
  const gchar *star
      = NULL; /* behind the last '*' seen: earlier ones never need to be tried again */
  const gchar *resume = NULL;

  while (*text != '\0')
    {
      if (*pattern == '*')
        {
          star = ++pattern;
          resume = text;
        }
      else if (*pattern == '?')
        {
          pattern++;
          text = skip_character (text);
        }
      else if (*pattern != '\0' && g_ascii_tolower (*pattern) == g_ascii_tolower (*text))
        {
          pattern++;
          text++;
        }
      else if (star != NULL)
        {
          pattern = star;
          text = ++resume;
        }
      else
        return FALSE;
    }
  while (*pattern == '*')
    pattern++;
  return *pattern == '\0';
}
