/* See values.h. What is not known has no value: such a macro is not sent. */
#include "values.h"

#include <string.h>

static const char *
keep (Link *link, char *text)
{
  g_ptr_array_add (link->strings, text);
  return text;
}

static const char *
host_of (const char *address)
{
  const char *at = address == NULL ? NULL : strrchr (address, '@');

  return at == NULL ? NULL : at + 1;
}

static void
fill_client (Link *link)
{
  WeirContext *context = link->context;
  const char *name = weir_client_name (context);
  const char *address = weir_client_address (context);
  gboolean known = strcmp (name, "unknown") != 0;

  link->values[MACRO_CLIENT] = keep (link, g_strdup_printf ("%s [%s]", name, address));
  link->values[MACRO_CLIENT_ADDRESS] = address;
  link->values[MACRO_CLIENT_NAME] = name;
  link->values[MACRO_CLIENT_PTR] = name;
  link->values[MACRO_CLIENT_RESOLVE] = known ? "OK" : "FAIL";
  link->values[MACRO_CLIENT_PORT] = keep (link, g_strdup_printf ("%u", weir_client_port (context)));
}

static void
fill_message (Link *link)
{
  WeirContext *context = link->context;
  guint64 size = weir_message_size (context);

  link->values[MACRO_ID] = weir_message_id (context);
  link->values[MACRO_MAIL_ADDRESS] = weir_sender (context);
  link->values[MACRO_MAIL_HOST] = host_of (weir_sender (context));
  link->values[MACRO_MAIL_MAILER] = "smtp";
  link->values[MACRO_RCPT_MAILER] = "smtp";
  if (size > 0)
    link->values[MACRO_MESSAGE_SIZE] = keep (link, g_strdup_printf ("%" G_GUINT64_FORMAT, size));
}

void
values_fill (Link *link)
{
  WeirContext *context = link->context;

  link->values[MACRO_HOSTNAME] = weir_hostname (context);
  link->values[MACRO_SOFTWARE] = "Mailweir";
  link->values[MACRO_DAEMON_NAME] = weir_listener (context);
  link->values[MACRO_HELO] = link->helo;
  link->values[MACRO_TLS_VERSION] = weir_tls_protocol (context);
  link->values[MACRO_CIPHER] = weir_tls_cipher (context);
  link->values[MACRO_AUTH_TYPE] = weir_user_mechanism (context);
  link->values[MACRO_AUTH_USER] = weir_user (context);
  fill_client (link);
  fill_message (link);
}

void
values_set_recipient (Link *link, const char *recipient)
{
  link->values[MACRO_RCPT_ADDRESS] = recipient;
  link->values[MACRO_RCPT_HOST] = host_of (recipient);
}
