/* A client that sends messages and waits for the answers: the client machine of src/smtp over a
 * blocking stream. What a server says to a recipient or a message is a result; what ends the
 * conversation is a GError of WEIR_ERROR, and the client can then only be freed. One thread at
 * a time. */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

#include "base/path.h"
#include "base/reply.h"
#include <mailweir/smtp.h>
#include "smtp/capability.h"

typedef enum
{
  BLOCKING_TLS_POLICY_OFF,
  BLOCKING_TLS_POLICY_OPPORTUNISTIC, /* if the server offers it; no certificate is checked */
  BLOCKING_TLS_POLICY_REQUIRED,      /* no certificate is checked */
  BLOCKING_TLS_POLICY_VERIFIED       /* the certificate must be the host's */
} BlockingTlsPolicy;

typedef struct
{
  const gchar *host; /* or the path of a UNIX socket, then without a port */
  guint port;
  gboolean implicit_tls; /* TLS from the first octet (smtps://) */
  gboolean lmtp;         /* speak that (RFC 2033) */
  BlockingTlsPolicy tls;
  SSL_CTX *context;      /* of blocking_tls_client_context_new(), verifying with VERIFIED; outlives
                            the client; NULL: no TLS, whatever the policy is */
  const gchar *tls_name; /* in the certificate; NULL: the host's */
  guint proxy;           /* version of a PROXY header of our own that goes first; 0: none */
  const gchar *hello;    /* our name in EHLO; NULL: this host's */
  guint timeout; /* milliseconds, of connecting and of each answer, and while nothing can be written
                  */
  guint connect_timeout; /* of connecting instead; 0 */
  guint final_timeout;   /* of the answer to the final dot instead; 0 */
  const gchar *user;     /* to log in with; NULL: nobody */
  const gchar *password;
  gboolean auth_in_plaintext; /* also without TLS */
  WeirTrace trace;            /* NULL: none */
  gpointer trace_data;
} BlockingOptions;

/* This host's name as EHLO and a greeting may say it. Caller frees. */
gchar *blocking_own_name (void);

/* "smtp://host:port", "smtps://host:port", "lmtp://host:port"; without port 25, 465 and 24; or
 * "lmtp:/path": then `host` is the path. `host` is freed by the caller. */
gboolean blocking_url_parse (const gchar *url, gchar **host, guint *port, gboolean *implicit_tls,
                             GError **error);

typedef struct _BlockingClient BlockingClient;

/* Connects and says hello. The strings of `options` must outlive the call only; `trace_data` the
 * client. `failure` (may be NULL): the error as a reply, see blocking_client_failure(); the caller
 * frees. */
BlockingClient *blocking_client_connect (const BlockingOptions *options, BaseReply **failure,
                                         GError **error);
/* The error that ended the conversation as a reply: the server's own, or one made here (451 4.4.1,
 * 4.4.2, 4.7.0). NULL: none did. Belongs to the client. */
const BaseReply *blocking_client_failure (const BlockingClient *client);
/* Whether it ended behind a final dot that was not answered (RFC 1047). */
gboolean blocking_client_is_in_doubt (const BlockingClient *client);
/* Closes, without QUIT. NULL is fine. */
void blocking_client_free (BlockingClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BlockingClient, blocking_client_free)

SmtpCapabilities blocking_client_capabilities (const BlockingClient *client);

typedef struct
{
  BaseReply
      *mail; /* to MAIL; made here (5.6.7, 5.6.3) when the server lacks what the message needs */
  GPtrArray
      *recipients; /* of BaseReply *, one a recipient, in order; empty when MAIL was refused */
  BaseReply
      *message; /* the final answer, or the refusal of DATA; NULL when no recipient was accepted */
  GPtrArray *fates; /* LMTP: of BaseReply *, the final answer to each recipient, in order; NULL for
                       those who were refused before or were not answered. Else NULL */
} BlockingResult;

BlockingResult *blocking_result_new (void);
void blocking_result_free (BlockingResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BlockingResult, blocking_result_free)

/* Sends one message (`message`: CRLF lines, not dot-stuffed) to those of `count` recipients whom
 * the server accepts. The sender's and the recipients' parameters go out as far as the server
 * offers their extension. `result` is a new one. FALSE: the conversation ended, and `result` holds
 * what was answered before; when that was after the final dot, nobody knows whether the message was
 * taken, and the error says so. */
gboolean blocking_client_send (BlockingClient *client, const BasePath *sender,
                               const BasePath *const *recipients, guint count,
                               const guint8 *message, gsize length, BlockingResult *result,
                               GError **error);

/* QUIT, and wait for its answer. */
gboolean blocking_client_quit (BlockingClient *client, GError **error);
