/* What the three files that make and keep an upstream connection share. */
#pragma once

#include <netdb.h>

#include "net/upstream.h"

typedef struct _NetUpstreamSetup
{
  gchar *hello;
  gint64 deadline;
  uv_getaddrinfo_t resolver;
  gboolean resolving;
  gboolean starting; /* inside net_upstream_new(): a failure must wait for the loop's next turn */
  struct addrinfo *addresses;
  BaseEndpoint socket; /* a UNIX socket, which `socket_address` shows as if it were found */
  struct addrinfo socket_address;
  const struct addrinfo *next; /* the one to be tried after the present one */
  const struct addrinfo *present;
  gboolean plaintext; /* opportunistic TLS failed with the present address: go on without */
  BaseReply *reply;   /* why the last address failed */
  BaseBuffer header;  /* of PROXY; empty: none */
} NetUpstreamSetup;

void net_upstream_unref (NetUpstream *upstream);
/* The NetWatchFunc of every upstream socket. */
void net_upstream_on_watch (NetWatch *watch, int events);

void net_upstream_setup_free (NetUpstreamSetup *setup); /* NULL is fine */
void net_upstream_look_up (NetUpstream *upstream);
/* The present address once more, with a new socket. */
void net_upstream_try_address (NetUpstream *upstream);
void net_upstream_try_next (NetUpstream *upstream);
/* The present address is of no use, for the reason that is taken over. */
void net_upstream_fail_address (NetUpstream *upstream, BaseReply *reply);
void net_upstream_connected (NetUpstream *upstream);

SmtpClientTls net_upstream_policy (const NetUpstream *upstream);
gboolean net_upstream_is_implicit (const NetUpstream *upstream);
void net_upstream_start_tls (NetUpstream *upstream);
void net_upstream_handshake (NetUpstream *upstream);
/* What the machine has to say after it was fed. */
void net_upstream_greet (NetUpstream *upstream);
