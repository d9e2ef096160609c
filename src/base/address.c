/* Paths as MAIL and RCPT give them (RFC 5321 section 4.1.2). One pass over the bytes, in any state
 * of which the only surprise can be an error: text from clients fails with BASE_ADDRESS_ERROR and
 * never more. Lenient in the local part (dots anywhere, atoms and quoted strings mixed), strict
 * about everything that could move the '@' or the end of the path. */
#include "base/address.h"

#include <string.h>

G_DEFINE_QUARK (base - address - error - quark, base_address_error)

/* The offending text, fit for a message: printable, and not longer than a line. */
static gchar *
quote_text (const gchar *text, gsize length)
{
  g_autofree gchar *copy = g_utf8_make_valid (text, (gssize) MIN (length, 100));

  for (gchar *p = copy; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      *p = '?';
  return g_strdup_printf ("\"%s%s\"", copy, length > 100 ? "..." : "");
}

static gboolean
refuse (GError **error, BaseAddressError code, const gchar *why, const gchar *text, gsize length)
{
  g_autofree gchar *quoted = quote_text (text, length);

  g_set_error (error, BASE_ADDRESS_ERROR, (gint) code, "%s: %s", why, quoted);
  return FALSE;
}

static gboolean
is_bad_octet (guchar c)
{
  return c < 0x20 || c == 0x7f;
}

/* What ends or changes nothing in a local part, quoted or not. */
static const guint8 plain_octets[256]
    = { ['!'] = TRUE,         ['#' ... ';'] = TRUE, ['='] = TRUE,          ['?'] = TRUE,
        ['A' ... '['] = TRUE, [']' ... '~'] = TRUE, [0x80 ... 0xff] = TRUE };

/* How far the path at the start of `text` goes, brackets not counted. Quoted strings hide '>' and
 * spaces. G_MAXSIZE: the closing bracket or quote is missing. */
static gsize
find_end (const gchar *text, gsize length, gboolean bracketed)
{
  const gchar *end = memchr (text, bracketed ? '>' : ' ', length);
  gboolean quoted = FALSE;

  if (end != NULL && memchr (text, '"', (gsize) (end - text)) == NULL)
    return (gsize) (end - text);
  for (gsize i = 0; i < length; i++)
    {
      if (quoted && text[i] == '\\')
        i++;
      else if (text[i] == '"')
        quoted = !quoted;
      else if (!quoted && text[i] == (bracketed ? '>' : ' '))
        return i;
    }
  return quoted || bracketed ? G_MAXSIZE : length;
}

/* How far a domain goes in a source route: to the ',' or ':' behind it, which may also stand in an
 * address literal. */
static gsize
route_domain_length (const gchar *text, gsize length)
{
  const gchar *close = length > 0 && text[0] == '[' ? memchr (text, ']', length) : NULL;
  gsize at = close == NULL ? 0 : (gsize) (close - text);

  while (at < length && text[at] != ',' && text[at] != ':')
    at++;
  return at;
}

/* The length of an old source route with its colon ("@a,@b:", RFC 5321 appendix C); 0: none;
 * G_MAXSIZE: malformed. */
static gsize
route_length (const gchar *text, gsize length)
{
  gsize at = 0;

  if (length == 0 || text[0] != '@')
    return 0;
  while (at < length && text[at] == '@')
    {
      gsize domain = route_domain_length (text + at + 1, length - at - 1);
      gsize end = at + 1 + domain;
      if (end >= length || !base_domain_is_valid (text + at + 1, domain))
        return G_MAXSIZE;
      if (text[end] == ':')
        return end + 1;
      at = end + 1;
    }
  return G_MAXSIZE;
}

/* The length of the local part, up to an '@' outside quotes or to the end; G_MAXSIZE: an octet that
 * can not stand there. A backslash outside quotes is refused: servers disagree whether it hides an
 * '@'. */
static gsize
local_length (const gchar *text, gsize length)
{
  gboolean quoted = FALSE;
  gsize i = 0;

  for (; i < length && (quoted || text[i] != '@'); i++)
    {
      if (plain_octets[(guchar) text[i]])
        continue;
      if (text[i] == '"')
        quoted = !quoted;
      else if (text[i] == '\\' && (!quoted || ++i == length))
        return G_MAXSIZE;
      if (is_bad_octet ((guchar) text[i]) || (!quoted && strchr (" <>", text[i]) != NULL))
        return G_MAXSIZE;
    }
  return quoted ? G_MAXSIZE : i;
}

static gboolean
has_high_octet (const gchar *text, gsize length)
{
  guchar all = 0;

  for (gsize i = 0; i < length; i++)
    all |= (guchar) text[i];
  return all > 127;
}

static gboolean
check_mailbox (const gchar *text, gsize length, BasePathFlags flags, GError **error)
{
  gsize local = local_length (text, length);

  if (local == G_MAXSIZE)
    return refuse (error, BASE_ADDRESS_ERROR_SYNTAX, "malformed local part", text, length);
  if (local == 0)
    return refuse (error, BASE_ADDRESS_ERROR_SYNTAX, "no local part", text, length);
  if (local == length)
    {
      if ((flags & BASE_PATH_POSTMASTER) && length == strlen ("postmaster")
          && g_ascii_strncasecmp (text, "postmaster", length) == 0)
        return TRUE;
      return refuse (error, BASE_ADDRESS_ERROR_SYNTAX, "no domain in address", text, length);
    }
  if (length - local - 1 > BASE_ADDRESS_MAX_DOMAIN)
    return refuse (error, BASE_ADDRESS_ERROR_TOO_LONG, "domain too long", text, length);
  if (!base_domain_is_strict (text + local + 1, length - local - 1))
    return refuse (error, BASE_ADDRESS_ERROR_SYNTAX, "malformed domain in address", text, length);
  return TRUE;
}

/* What stands between the brackets. */
static gchar *
parse_content (const gchar *text, gsize length, BasePathFlags flags, GError **error)
{
  if (length > BASE_ADDRESS_MAX_PATH)
    {
      refuse (error, BASE_ADDRESS_ERROR_TOO_LONG, "address too long", text, length);
      return NULL;
    }
  gsize route = route_length (text, length);
  if (route == G_MAXSIZE)
    {
      refuse (error, BASE_ADDRESS_ERROR_SYNTAX, "malformed source route", text, length);
      return NULL;
    }
  text += route;
  length -= route;
  if (has_high_octet (text, length))
    {
      gboolean allowed = (flags & BASE_PATH_UTF8) != 0;
      if (!allowed || !g_utf8_validate_len (text, length, NULL))
        {
          refuse (error, allowed ? BASE_ADDRESS_ERROR_SYNTAX : BASE_ADDRESS_ERROR_UTF8,
                  allowed ? "address is not valid UTF-8" : "address is not ASCII", text, length);
          return NULL;
        }
    }
  return check_mailbox (text, length, flags, error) ? g_strndup (text, length) : NULL;
}

gchar *
base_path_parse (const gchar *text, gsize length, BasePathFlags flags, gsize *used, GError **error)
{
  gboolean bracketed = length > 0 && text[0] == '<';
  const gchar *content = text + (bracketed ? 1 : 0);
  gsize end = find_end (content, length - (bracketed ? 1 : 0), bracketed);

  *used = 0;
  if (end == G_MAXSIZE)
    {
      refuse (error, BASE_ADDRESS_ERROR_SYNTAX, "path without an end", text, length);
      return NULL;
    }
  if (end == 0)
    {
      if (!bracketed || !(flags & BASE_PATH_NULL))
        {
          refuse (error, BASE_ADDRESS_ERROR_SYNTAX, "empty path", text, length);
          return NULL;
        }
      *used = 2;
      return g_strdup ("");
    }
  gchar *address = parse_content (content, end, flags, error);
  if (address != NULL)
    *used = end + (bracketed ? 2 : 0);
  return address;
}

const gchar *
base_address_domain (const gchar *address)
{
  const gchar *at = strrchr (address, '@'), *domain = NULL;
  gboolean quoted = FALSE;

  if (strchr (address, '"') == NULL)
    return at == NULL ? NULL : at + 1;
  for (const gchar *p = address; *p != '\0'; p++)
    {
      if (quoted && *p == '\\' && p[1] != '\0')
        p++;
      else if (*p == '"')
        quoted = !quoted;
      else if (!quoted && *p == '@')
        domain = p + 1;
    }
  return domain;
}
