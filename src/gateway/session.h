/* One client's session: the server machine, the chain and the client machine put together as the
 * design's "How a session runs" has it.
 *
 * No sockets, no clock, no threads: it is driven by the functions below and asks the world through
 * GatewayHost. After each of them the driver writes what stands in the outputs (smtp_server_output
 * (gateway_session_server (s)) and, if gateway_session_upstream (s) is not NULL, the output of its
 * client), re-arms its timer with gateway_session_timeout(), looks at
 * gateway_session_wants_input(), gateway_session_wants_tls() and gateway_session_is_over(). */
#pragma once

#include "chain/chain.h"
#include "gateway/host.h"
#include "smtp/server.h"

typedef struct _GatewaySession GatewaySession;

/* What all sessions of one listener share. Made once a generation, read-only. */
typedef struct
{
  const Config *config;
  const ConfigListener *listener;
  Chain chain;
  SmtpServerLimits limits;
  MessageSpoolLimits spool;
  GArray *commands; /* of SmtpServerCommand: what the chain's filters add; owned, verbs too */
  gchar *announced; /* of them, those that EHLO names, separated by '\n'; NULL: none */
} GatewayListener;

/* `facts`: one IpcFilterFacts for each of config->filters. */
GatewayListener *gateway_listener_new (const Config *config, const ConfigListener *listener,
                                       const GArray *facts);
void gateway_listener_free (GatewayListener *listener);

/* Whose address it is that a session is given. */
typedef enum
{
  GATEWAY_CLIENT_ITSELF, /* the client's own, or told by a proxy that we believe */
  GATEWAY_CLIENT_HIDDEN, /* a proxy's that does not tell its client's: no right follows from it */
  GATEWAY_CLIENT_PROXY   /* a proxy's that speaks for itself: a health check, nothing to log */
} GatewayClientKind;

/* Who connected. Strings are copied. */
typedef struct
{
  BaseEndpoint client;
  BaseEndpoint server; /* our end of its connection; length 0: unknown, or no route tells it on */
  GatewayClientKind kind;
  const gchar *client_name;  /* confirmed name, or NULL: "unknown" */
  const gchar *tls_protocol; /* implicit TLS that is already established; else NULL */
  const gchar *tls_cipher;
} GatewayClient;

/* The session begins: connect hooks, then the greeting. Call gateway_session_pump() next. */
GatewaySession *gateway_session_new (const GatewayListener *listener, const GatewayClient *client,
                                     const GatewayHost *methods, gpointer host);
/* Gives leased upstreams back, cancels requests. */
void gateway_session_free (GatewaySession *session);

/* Bytes from the client: borrowed, until gateway_session_settle(): the driver first writes the
 * upstream output, which may borrow from them, settles that output, then calls it. */
void gateway_session_input (GatewaySession *session, guint8 *bytes, gsize length);
void gateway_session_settle (GatewaySession *session);
/* Pulls events from both machines and acts until nothing moves. After feeding the upstream's
 * client, and after outputs have drained. */
void gateway_session_pump (GatewaySession *session);
/* The client closed or reset its connection. The session may still have to wait for an upstream's
 * final answer. */
void gateway_session_client_gone (GatewaySession *session);
/* The TLS handshake with the client is complete. */
void gateway_session_tls_started (GatewaySession *session, const gchar *protocol,
                                  const gchar *cipher);

/* Answers of the world; each pumps. */
void gateway_session_capabilities (GatewaySession *session, SmtpCapabilities capabilities);
void gateway_session_upstream_ready (GatewaySession *session, GatewayUpstream *upstream);
void gateway_session_upstream_failed (
    GatewaySession *session,
    const BaseReply *reply); /* 451 4.4.1 …; what the route's last host said */
void gateway_session_worker_started (GatewaySession *session);
/* It ended before it began: the request waits for another one. */
void gateway_session_worker_lost (GatewaySession *session);
void gateway_session_worker_record (GatewaySession *session,
                                    IpcRecord *record); /* the caller frees the record after */
void gateway_session_worker_failed (GatewaySession *session,
                                    const gchar *why); /* died, or sent what does not decode */
void gateway_session_worker_refused (
    GatewaySession *session,
    const gchar *why); /* no worker took it in time: 451, never on-failure */
void gateway_session_delivered (GatewaySession *session, GatewayDelivery *job, const gchar *name,
                                const GError *error); /* error NULL: on disk */

/* The next moment (monotonic microseconds) at which gateway_session_timer() must be called; 0:
 * never. */
gint64 gateway_session_timeout (const GatewaySession *session);
void gateway_session_timer (GatewaySession *session);

/* Draining: 421 at the next command outside a transaction. `hurry`: at the next command at all. */
void gateway_session_drain (GatewaySession *session, gboolean hurry);

SmtpServer *gateway_session_server (GatewaySession *session);
GatewayUpstream *gateway_session_upstream (GatewaySession *session); /* on lease, or NULL */
const gchar *gateway_session_id (const GatewaySession *session);
/* FALSE: the client's bytes should wait in the kernel (an upstream or a worker is slower). The
 * socket's end must still be noticed. */
gboolean gateway_session_wants_input (const GatewaySession *session);
/* An output is so full that the session waits until it is written: pump it then. */
gboolean gateway_session_is_held_back (const GatewaySession *session);
/* How many octets the session would best be given at once: what is spooled is cheapest in runs that
 * end on multiples of MESSAGE_SPOOL_STEP. */
gsize gateway_session_input_step (const GatewaySession *session);
gboolean gateway_session_wants_tls (const GatewaySession *session);
/* Nothing more will come: write the server's output, close, free. */
gboolean gateway_session_is_over (const GatewaySession *session);
/* Our final dot has been written, or is about to be: must not be dropped before the answer. */
gboolean gateway_session_is_final (const GatewaySession *session);
