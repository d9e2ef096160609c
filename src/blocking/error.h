/* What can go wrong in a blocking conversation. The message of each error names the host and what
 * was wrong. */
#pragma once

#include <glib.h>

typedef enum
{
  BLOCKING_ERROR_URL,      /* not an address that we can connect to */
  BLOCKING_ERROR_CONNECT,  /* no such host, or none of its addresses answers */
  BLOCKING_ERROR_TLS,      /* the handshake failed, or the certificate does not convince */
  BLOCKING_ERROR_TIMEOUT,  /* the server took too long */
  BLOCKING_ERROR_CLOSED,   /* the connection broke */
  BLOCKING_ERROR_DEFERRED, /* the server's 4xx where it ends the conversation, or a fault in what it
                              said */
  BLOCKING_ERROR_REFUSED   /* the server's 5xx where it ends the conversation */
} BlockingError;
#define BLOCKING_ERROR (blocking_error_quark ())
GQuark blocking_error_quark (void);
