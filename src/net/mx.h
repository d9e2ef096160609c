/* From a recipient's domain to the hosts that take its mail, in the order in which they are tried
 * (RFC 5321 section 5.1): the questions of one domain, bounded in number and time. */
#pragma once

#include "base/mx.h"
#include "base/reply.h"
#include "net/resolver.h"

typedef struct _NetMx NetMx;
typedef struct _NetMxLookup NetMxLookup;

typedef struct
{
  const gchar *name; /* of the mail host, or the literal's address */
  BaseEndpoint endpoint;
} NetMxAddress;

/* `addresses` (of NetMxAddress, the first to be tried first; borrowed) or, when it is empty, why
 * there are none. From the loop, never from net_mx_look_up(). */
typedef void (*NetMxFunc) (gpointer owner, const GArray *addresses, const BaseReply *reply);

/* NULL: no route needs one. Without a resolver, which the log tells, every lookup is answered 451.
 * `config` is borrowed. */
NetMx *net_mx_new (NetLoop *loop, const Config *config);
/* Nobody may wait any more. NULL is fine. */
void net_mx_close (NetMx *mx);

/* `domain` as base_mx_domain() made it; answers by `deadline` (monotonic microseconds) at the
 * latest. */
NetMxLookup *net_mx_look_up (NetMx *mx, const ConfigRoute *route, const gchar *domain,
                             gint64 deadline, NetMxFunc func, gpointer owner);
void net_mx_cancel (NetMxLookup *lookup); /* NULL is fine */
