/* The macros that a milter gets ahead of an event, by the names of sendmail and Postfix. A set of
 * them is a mask, so that it fits into a session's state. No sockets. */
#pragma once

#include <glib.h>

/* As the protocol numbers them. */
typedef enum
{
  MACROS_CONNECT,
  MACROS_HELO,
  MACROS_MAIL,
  MACROS_RCPT,
  MACROS_DATA,
  MACROS_END,
  MACROS_END_OF_HEADERS,
  MACROS_STAGES
} MacrosStage;

typedef enum
{
  MACRO_HOSTNAME,       /* j */
  MACRO_CLIENT,         /* _: "name [address]" */
  MACRO_SOFTWARE,       /* v */
  MACRO_ID,             /* i: the message's */
  MACRO_HELO,           /* s */
  MACRO_DAEMON_NAME,    /* {daemon_name} */
  MACRO_CLIENT_ADDRESS, /* {client_addr} */
  MACRO_CLIENT_NAME,    /* {client_name} */
  MACRO_CLIENT_PORT,    /* {client_port} */
  MACRO_CLIENT_PTR,     /* {client_ptr} */
  MACRO_CLIENT_RESOLVE, /* {client_resolve} */
  MACRO_TLS_VERSION,    /* {tls_version} */
  MACRO_CIPHER,         /* {cipher} */
  MACRO_AUTH_TYPE,      /* {auth_type} */
  MACRO_AUTH_USER,      /* {auth_authen} */
  MACRO_MAIL_ADDRESS,   /* {mail_addr} */
  MACRO_MAIL_HOST,      /* {mail_host} */
  MACRO_MAIL_MAILER,    /* {mail_mailer} */
  MACRO_RCPT_ADDRESS,   /* {rcpt_addr} */
  MACRO_RCPT_HOST,      /* {rcpt_host} */
  MACRO_RCPT_MAILER,    /* {rcpt_mailer} */
  MACRO_MESSAGE_SIZE,   /* {msg_size} */
  MACRO_COUNT
} Macro;

#define MACROS_MAX_EXTRA 32   /* that the configuration adds */
#define MACROS_MAX_VALUE 1024 /* octets; longer values are cut */

/* Whether "name=value" of the configuration is one: j, or {name}. */
gboolean macros_check_extra (const char *entry);

/* The mask of a stage for a milter that did not ask for a list of its own. Extras: NULL-terminated
 * "name=value"; one that no stage has by itself is sent at connect. */
guint64 macros_default (MacrosStage stage, const char *const *extras);
/* The mask of a list of names, separated by white space or commas; unknown names are left out. */
guint64 macros_parse (const char *list, const char *const *extras);
/* Appends the packet for `command`; none when no macro of the mask has a value. `values` has
 * MACRO_COUNT members, NULL for those without one; an extra of the same name wins. */
void macros_add (GByteArray *out, char command, guint64 mask, const char *const *values,
                 const char *const *extras);
