/* See macros.h. Bits below MACRO_COUNT are the table's, those above are the configuration's. */
#include "macros.h"

#include <string.h>

#include "packet.h"

#define AT(stage) (1u << (stage))
#define AT_MESSAGE                                                                                 \
  (AT (MACROS_MAIL) | AT (MACROS_RCPT) | AT (MACROS_DATA) | AT (MACROS_END)                        \
   | AT (MACROS_END_OF_HEADERS))

/* Where each is sent unasked: as Postfix does, and the client's at connect. */
static const struct
{
  const char *name;
  guint stages;
} table[MACRO_COUNT] = {
  [MACRO_HOSTNAME] = { "j", AT (MACROS_CONNECT) },
  [MACRO_CLIENT] = { "_", AT (MACROS_CONNECT) },
  [MACRO_SOFTWARE] = { "v", AT (MACROS_CONNECT) },
  [MACRO_ID] = { "i", AT_MESSAGE },
  [MACRO_HELO] = { "s", AT (MACROS_MAIL) },
  [MACRO_DAEMON_NAME] = { "{daemon_name}", AT (MACROS_CONNECT) },
  [MACRO_CLIENT_ADDRESS] = { "{client_addr}", AT (MACROS_CONNECT) },
  [MACRO_CLIENT_NAME] = { "{client_name}", AT (MACROS_CONNECT) },
  [MACRO_CLIENT_PORT] = { "{client_port}", AT (MACROS_CONNECT) },
  [MACRO_CLIENT_PTR] = { "{client_ptr}", AT (MACROS_CONNECT) },
  [MACRO_CLIENT_RESOLVE] = { "{client_resolve}", AT (MACROS_CONNECT) },
  [MACRO_TLS_VERSION] = { "{tls_version}", AT (MACROS_HELO) | AT (MACROS_MAIL) },
  [MACRO_CIPHER] = { "{cipher}", AT (MACROS_HELO) | AT (MACROS_MAIL) },
  [MACRO_AUTH_TYPE] = { "{auth_type}", AT (MACROS_MAIL) },
  [MACRO_AUTH_USER] = { "{auth_authen}", AT (MACROS_MAIL) },
  [MACRO_MAIL_ADDRESS] = { "{mail_addr}", AT (MACROS_MAIL) },
  [MACRO_MAIL_HOST] = { "{mail_host}", AT (MACROS_MAIL) },
  [MACRO_MAIL_MAILER] = { "{mail_mailer}", AT (MACROS_MAIL) },
  [MACRO_RCPT_ADDRESS] = { "{rcpt_addr}", AT (MACROS_RCPT) },
  [MACRO_RCPT_HOST] = { "{rcpt_host}", AT (MACROS_RCPT) },
  [MACRO_RCPT_MAILER] = { "{rcpt_mailer}", AT (MACROS_RCPT) },
  [MACRO_MESSAGE_SIZE] = { "{msg_size}", AT (MACROS_END) },
};

G_STATIC_ASSERT (MACRO_COUNT + MACROS_MAX_EXTRA <= 64);

static gsize
name_length (const char *extra)
{
  return (gsize) (strchr (extra, '=') - extra);
}

/* The length of what can be a name: one character, or several in braces; 0: none. */
static gsize
length_of_name (const char *text, gsize length)
{
  if (length == 1)
    return g_ascii_isalpha (*text) || *text == '_' ? 1 : 0;
  if (length < 3 || length > 64 || *text != '{' || text[length - 1] != '}')
    return 0;
  for (gsize i = 1; i < length - 1; i++)
    if (!g_ascii_isalnum (text[i]) && strchr ("_-.", text[i]) == NULL)
      return 0;
  return length;
}

gboolean
macros_check_extra (const char *entry)
{
  const char *equal = strchr (entry, '=');

  if (equal == NULL || equal[1] == '\0' || strlen (equal + 1) > MACROS_MAX_VALUE)
    return FALSE;
  for (const char *at = equal + 1; *at != '\0'; at++)
    if ((guchar) *at < ' ' || *at == 127)
      return FALSE;
  return length_of_name (entry, (gsize) (equal - entry)) > 0;
}

static gboolean
is_extra (const char *extra, const char *name, gsize length)
{
  return name_length (extra) == length && strncmp (extra, name, length) == 0;
}

static guint64
bit_of (const char *name, gsize length, const char *const *extras)
{
  for (guint i = 0; i < MACRO_COUNT; i++)
    if (strlen (table[i].name) == length && strncmp (table[i].name, name, length) == 0)
      return G_GUINT64_CONSTANT (1) << i;
  for (guint i = 0; extras[i] != NULL && i < MACROS_MAX_EXTRA; i++)
    if (is_extra (extras[i], name, length))
      return G_GUINT64_CONSTANT (1) << (MACRO_COUNT + i);
  return 0;
}

guint64
macros_default (MacrosStage stage, const char *const *extras)
{
  guint64 mask = 0;

  for (guint i = 0; i < MACRO_COUNT; i++)
    if ((table[i].stages & AT (stage)) != 0)
      mask |= G_GUINT64_CONSTANT (1) << i;
  for (guint i = 0; stage == MACROS_CONNECT && extras[i] != NULL; i++)
    mask |= bit_of (extras[i], name_length (extras[i]), extras)
            & ~G_GUINT64_CONSTANT (0) << MACRO_COUNT;
  return mask;
}

guint64
macros_parse (const char *list, const char *const *extras)
{
  static const char separators[] = " \t\r\n,";
  guint64 mask = 0;

  while (*(list += strspn (list, separators)) != '\0')
    {
      gsize length = strcspn (list, separators);

      mask |= bit_of (list, length, extras);
      list += length;
    }
  return mask;
}

static const char *
value_of (Macro macro, const char *const *values, const char *const *extras)
{
  const char *name = table[macro].name;

  for (guint i = 0; extras[i] != NULL; i++)
    if (is_extra (extras[i], name, strlen (name)))
      return extras[i] + strlen (name) + 1;
  return values[macro];
}

static void
append (GByteArray *out, const char *text, gsize length)
{
  g_byte_array_append (out, (const guint8 *) text, (guint) length);
  g_byte_array_append (out, (const guint8 *) "", 1);
}

static void
append_pair (GByteArray *out, const char *name, gsize length, const char *value)
{
  append (out, name, length);
  append (out, value, MIN (strlen (value), MACROS_MAX_VALUE));
}

void
macros_add (GByteArray *out, char command, guint64 mask, const char *const *values,
            const char *const *extras)
{
  g_autoptr (GByteArray) data = g_byte_array_new ();

  g_byte_array_append (data, (const guint8 *) &command, 1);
  for (guint i = 0; i < MACRO_COUNT; i++)
    {
      const char *value = (mask >> i & 1) != 0 ? value_of (i, values, extras) : NULL;

      if (value != NULL)
        append_pair (data, table[i].name, strlen (table[i].name), value);
    }
  for (guint i = 0; extras[i] != NULL && i < MACROS_MAX_EXTRA; i++)
    if ((mask >> (MACRO_COUNT + i) & 1) != 0)
      append_pair (data, extras[i], name_length (extras[i]),
                   extras[i] + name_length (extras[i]) + 1);
  if (data->len > 1)
    packet_add (out, PACKET_MACRO, data->data, data->len);
}
