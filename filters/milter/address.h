/* Where a milter listens, as Postfix and sendmail write it. */
#pragma once

#include <glib.h>

/* "unix:/path", "local:/path", "inet:port@host", "inet6:port@host", "inet:host:port" or
 * "inet:port" (on this host) as an address of common/peer.h: caller frees. NULL: `*wrong` says what
 * is wrong with it. */
char *address_parse (const char *socket, const char **wrong);
