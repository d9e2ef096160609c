/* What a session asks of the world: connections, workers, disks, the clock. src/net implements it
 * with libuv, tests with plain memory.
 *
 * Rule: no method calls back into the session. What can not be answered at once is answered later
 * by one of the gateway_session_*() functions named here, from the event loop. `host` is the
 * pointer that gateway_session_new() was given. */
#pragma once

#include "base/network.h"
#include "config/config.h"
#include "ipc/record.h"
#include "ipc/request.h"
#include "message/edits.h"
#include "smtp/client.h"

/* An upstream connection on lease: greeted, TLS as its route says, EHLO done. Net's own struct
 * begins with it. */
typedef struct
{
  SmtpClient *client;
  gchar *name;         /* "mx1.example.org[10.0.0.5]:25", for logs */
  gchar *tls;          /* "TLSv1.3", NULL: plaintext */
  guint host;          /* index in the route's list */
  gboolean local;      /* on our own host, by a loopback address */
  gboolean reused;     /* it has carried a transaction before */
  gboolean introduced; /* our client was told to it by XCLIENT */
  gboolean personal;   /* it describes one client: never for another one */
  gboolean unfit;      /* new, and gone ahead of any message: its host is not to be the next */
} GatewayUpstream;

typedef enum
{
  GATEWAY_DELIVER_MAILDIR,
  GATEWAY_DELIVER_QUARANTINE
} GatewayDeliveryKind;

/* What is to be put on disk, durably, off the event loop. All of it is owned by the job and stays
 * unchanged until it is done. */
typedef struct
{
  GatewayDeliveryKind kind;
  gchar *directory;
  gchar *hostname;
  gchar *prefix; /* our trace field; NULL for quarantine */
  MessageSpool *spool;
  MessageEdits *edits; /* NULL: none; quarantine keeps the original */
  BasePath *sender;
  GPtrArray *recipients; /* of BasePath */
  /* quarantine's JSON */
  gchar *id, *session_id, *listener, *client_address, *client_name, *helo, *user, *filter, *reason,
      *notes;
} GatewayDelivery;

void gateway_delivery_free (GatewayDelivery *delivery);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GatewayDelivery, gateway_delivery_free)

typedef struct
{
  /* Monotonic microseconds. */
  gint64 (*now) (gpointer host);
  /* Seconds since 1970, for the trace field. */
  gint64 (*wall_clock) (gpointer host);

  /* Looks at the client's socket: reset, or closed without a complete QUIT in the buffer. */
  gboolean (*client_is_gone) (gpointer host);

  /* Counts a message against messages-per-minute; FALSE: over it. */
  gboolean (*count_message) (gpointer host);

  /* The session is another client's from here on, and `server` our end of that one's connection.
   * FALSE: that client has too many sessions, and nothing has changed. */
  gboolean (*change_client) (gpointer host, const BaseEndpoint *client, const BaseEndpoint *server);

  /* A message has come to its end; `status` is the summary line's literal. For counting alone. */
  void (*count_outcome) (gpointer host, const gchar *status);

  /* What all hosts of the listener's SMTP routes can do. TRUE: known now; FALSE:
   * gateway_session_capabilities() follows. */
  gboolean (*capabilities) (gpointer host, SmtpCapabilities *capabilities);

  /* An upstream connection for the route; NULL: gateway_session_upstream_ready() or _failed()
   * follows, within the route's `connect`. `domain`: whose mail hosts an mx: route looks up, else
   * NULL. `needs`: capabilities it must offer. `fresh`: no pooled one (a pooled one has just
   * failed). */
  GatewayUpstream *(*take_upstream) (gpointer host, const ConfigRoute *route, const gchar *domain,
                                     guint32 needs, gboolean fresh);
  void (*cancel_upstream) (gpointer host); /* the one that was to follow is not wanted any more */
  /* Reads what stands in the leased upstream's socket into its machine, and settles it: an answer
   * that came before our final dot must not pass for the answer to it. NULL: it is not looked at.
   */
  void (*read_upstream) (gpointer host);
  /* Back from lease. `reusable` only after a final reply or the 250 to RSET; it is looked at again
   * (smtp_client_is_idle()). Else QUIT or drop. */
  void (*give_upstream) (gpointer host, GatewayUpstream *upstream, gboolean reusable);

  /* Hands the request to a worker; it is encoded before the call returns.
   * gateway_session_worker_started() follows when one has it, then _record()s, or _worker_failed().
   * FALSE: the queue is full. */
  gboolean (*ask_worker) (gpointer host, const IpcRequest *request);
  /* Nothing of the open request is wanted any more: dequeue it, or kill its worker. No call
   * follows. */
  void (*cancel_worker) (gpointer host);
  /* Dequeues the open request, if there is one, unless a worker may have begun it. FALSE: so it is,
   * and its calls follow. */
  gboolean (*recall_worker) (gpointer host);

  /* gateway_session_delivered() follows, even when the session does not care any more. Owns the
   * job. */
  void (*deliver) (gpointer host, GatewayDelivery *job);
} GatewayHost;
