/* Attributes of a client, told by a peer. One table row a name. A fault comes back as the refusal
 * that names the attribute. */
#include "smtp/attributes.h"

#include <string.h>

#include "base/network.h"
#include "smtp/parameters.h"

const gchar *const smtp_xclient_names[]
    = { "NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT", NULL };
const gchar *const smtp_xforward_names[]
    = { "NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE", NULL };

static gboolean
is_address (const gchar *value)
{
  gboolean prefixed = g_ascii_strncasecmp (value, "IPV6:", 5) == 0;
  BaseNetwork network;

  return strchr (value, '/') == NULL
         && base_network_parse (value + (prefixed ? 5 : 0), &network, NULL);
}

static gboolean
is_port (const gchar *value)
{
  gsize length = strlen (value);

  return length <= 5 && strspn (value, "0123456789") == length
         && g_ascii_strtoull (value, NULL, 10) <= 65535;
}

static gboolean
is_smtp (const gchar *value)
{
  return g_ascii_strcasecmp (value, "SMTP") == 0 || g_ascii_strcasecmp (value, "ESMTP") == 0;
}

static gboolean
is_source (const gchar *value)
{
  return g_ascii_strcasecmp (value, "LOCAL") == 0 || g_ascii_strcasecmp (value, "REMOTE") == 0;
}

static gboolean
is_protocol (const gchar *value)
{
  return strlen (value) <= 64;
}

/* XFORWARD's address and protocol need not be of the Internet. */
static const struct
{
  const gchar *name;
  const gchar *const *names; /* NULL: of both commands */
  gboolean (*check) (const gchar *value);
} checks[] = {
  { "ADDR", smtp_xclient_names, is_address },
  { "DESTADDR", NULL, is_address },
  { "PORT", NULL, is_port },
  { "DESTPORT", NULL, is_port },
  { "PROTO", smtp_xclient_names, is_smtp },
  { "SOURCE", NULL, is_source },
  { "PROTO", smtp_xforward_names, is_protocol },
};

static gboolean
is_xdigits (const gchar *text)
{
  return g_ascii_isxdigit (text[0]) && g_ascii_isxdigit (text[1]);
}

static gchar *
decode (const gchar *text)
{
  GString *value = g_string_new (NULL);

  for (; *text != '\0'; text++)
    if (*text == '+' && is_xdigits (text + 1))
      {
        gint octet = g_ascii_xdigit_value (text[1]) * 16 + g_ascii_xdigit_value (text[2]);
        g_string_append_c (value, octet == 0 ? '\x01' : (gchar) octet); /* refused as any control */
        text += 2;
      }
    else
      g_string_append_c (value, *text);
  return g_string_free (value, FALSE);
}

/* XFORWARD_README, note 1. */
static gboolean
is_plain (const gchar *value)
{
  if (*value == '\0' || strlen (value) > SMTP_ATTRIBUTE_MAX)
    return FALSE;
  for (; *value != '\0'; value++)
    if (*value <= ' ' || *value > '~')
      return FALSE;
  return TRUE;
}

static gboolean
is_value (const gchar *const *names, const gchar *name, gchar *value)
{
  const gchar *const unknown[] = { "[UNAVAILABLE]", "[TEMPUNAVAIL]" };
  guint count = g_str_equal (name, "NAME") ? 2 : 1;

  if (!is_plain (value))
    return FALSE;
  for (guint i = 0; i < count; i++)
    if (g_ascii_strcasecmp (value, unknown[i]) == 0)
      {
        memcpy (value, unknown[i], strlen (value));
        return TRUE;
      }
  for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
    if (g_str_equal (checks[i].name, name) && (checks[i].names == NULL || checks[i].names == names)
        && !checks[i].check (value))
      return FALSE;
  return TRUE;
}

/* "NAME=value", or NULL: it is none of `names`, or its value is bad. Caller frees. */
static gchar *
read_attribute (const gchar *word, const gchar *const *names)
{
  gsize length = strcspn (word, "=");
  g_autofree gchar *name = g_ascii_strup (word, (gssize) length);

  if (word[length] != '=' || !g_strv_contains (names, name))
    return NULL;
  g_autofree gchar *value = decode (word + length + 1);
  return is_value (names, name, value) ? g_strconcat (name, "=", value, NULL) : NULL;
}

static gboolean
is_doubled (const GPtrArray *found, const gchar *attribute)
{
  gsize length = strcspn (attribute, "=") + 1;

  for (guint i = 0; i < found->len; i++)
    if (strncmp (g_ptr_array_index (found, i), attribute, length) == 0)
      return TRUE;
  return FALSE;
}

BaseReply *
smtp_attributes_parse (const gchar *text, const gchar *const *names,
                       const gchar *const **attributes)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) words = g_strsplit_set (text, " \t", -1);

  for (gchar **word = words; *word != NULL; word++)
    {
      if (**word == '\0')
        continue;
      g_autofree gchar *attribute = read_attribute (*word, names);
      if (attribute == NULL || is_doubled (found, attribute))
        {
          g_autofree gchar *quoted = smtp_quote (*word, strlen (*word));
          return base_reply_printf (501, 5, 5, 4, "Bad attribute: %s", quoted);
        }
      g_ptr_array_add (found, g_steal_pointer (&attribute));
    }
  g_ptr_array_add (found, NULL);
  *attributes = (const gchar *const *) g_ptr_array_free (g_steal_pointer (&found), FALSE);
  return NULL;
}
