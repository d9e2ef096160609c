/* The upstream's half of a transaction, between the files that ask (upstream.c), hear
 * (upstream-replies.c) and log in (auth.c). */
#pragma once

#include "gateway/private.h"

#define UPSTREAM_ATTEMPTS 3 /* connections for one transaction */

/* Octets that wait to be written; of the message, those that do not any more. */
gsize upstream_backlog (const GatewayUpstream *upstream);
guint64 upstream_body_taken (const GatewaySession *session);
/* Back from lease. One that the client has authenticated is kept for the session, or lost. */
void upstream_give (GatewaySession *session, gboolean reusable);
/* The next reply, or progress, is due within this. */
void upstream_wait (GatewaySession *session, gint64 milliseconds);
/* The transaction can not succeed any more, unless a recipient of another route comes while none is
 * accepted. */
void upstream_doom (GatewaySession *session, const BaseReply *why);
/* Whether somebody has heard, or waits for, what only this envelope can make true. */
gboolean upstream_is_needed (const GatewayTransaction *tx);
void upstream_acquire (GatewaySession *session);
void upstream_send_envelope (GatewaySession *session);
void upstream_send_rset (GatewaySession *session);
void upstream_send_data (GatewaySession *session);

/* upstream-chunks.c */
/* Begins to send the message by BDAT. FALSE: it goes by DATA. */
gboolean upstream_begin_chunks (GatewaySession *session);
/* Bytes of the message; the output may borrow them. */
void upstream_add_chunk (GatewaySession *session, const guint8 *bytes, gsize length);
/* BDAT LAST. FALSE: not now, it is tried again behind the replies that are awaited. */
gboolean upstream_end_chunks (GatewaySession *session);
void upstream_on_chunk_reply (GatewaySession *session, const BaseReply *reply);

/* introduce.c: tells the connection on lease who our client is, where the route wants XCLIENT and
 * it was not said there. TRUE: envelope or AUTH go on behind the answer, or the failure was seen
 * to; FALSE: there is nothing to say. */
gboolean introduce_say (GatewaySession *session);
void introduce_reply (GatewaySession *session, const BaseReply *reply);
void introduce_ready (GatewaySession *session);

/* xforward.c: before MAIL, where the route says so and the upstream offers it. */
void xforward_say (GatewaySession *session);
/* "NAME=value", with [UNAVAILABLE] for what is NULL, unknown or not of IP. Caller frees. */
gchar *upstream_attribute (const gchar *name, const gchar *value);
gchar *upstream_address (const gchar *name, const BaseEndpoint *endpoint);
gchar *upstream_port (const gchar *name, const BaseEndpoint *endpoint);
