/* The client side of SMTP as a machine without sockets: commands in, bytes out; bytes in, events
 * out (RFC 5321). Whatever goes wrong leaves as the event FAILED, once, with a reply that says why.
 */
#pragma once

#include <glib.h>

#include "base/output.h"
#include "base/path.h"
#include "base/reply.h"
#include "smtp/capability.h"

/* How it is driven:
 *   smtp_client_feed (client, bytes, length);
 *   while ((event = smtp_client_next (client)) != NULL) ...
 *   smtp_client_settle (client);
 *   write what stands in smtp_client_output (client), consume it
 *
 * Until READY the machine speaks by itself: greeting, EHLO (HELO when EHLO is refused with 5xx),
 * STARTTLS as its policy says, EHLO again. After READY, each command that the host gives is queued
 * and yields one REPLY, in order; the machine writes several commands at once where the server
 * offers PIPELINING (RFC 2920: DATA is the last of a group) and one at a time where it does not.
 * Replies are matched to commands in order; a reply without a command is a fault, but for 421,
 * which may come at any moment: with a command open it is that command's REPLY, and FAILED with the
 * same reply follows, since the server closes (RFC 5321 section 3.8); with none open it is FAILED
 * at once. A code that does not belong behind a command (3xx, or 2xx to DATA) is a fault as well:
 * no host can take it for an acceptance. Replies that came before their command was given are
 * faults too. */
typedef enum
{
  SMTP_CLIENT_TLS_OFF,
  SMTP_CLIENT_TLS_OPPORTUNISTIC, /* STARTTLS if offered; a refusal of it goes on in plaintext */
  SMTP_CLIENT_TLS_REQUIRED, /* no STARTTLS offered, or refused: FAILED 451 4.7.4 (RFC 7435 has no
                               plaintext fall-back here) */
  SMTP_CLIENT_TLS_IMPLICIT  /* the stream is TLS from its first byte: the host has started it */
} SmtpClientTls;

typedef enum
{
  SMTP_CLIENT_COMMAND_NONE,
  SMTP_CLIENT_COMMAND_GREETING,
  SMTP_CLIENT_COMMAND_EHLO,
  SMTP_CLIENT_COMMAND_HELO,
  SMTP_CLIENT_COMMAND_STARTTLS,
  SMTP_CLIENT_COMMAND_MAIL,
  SMTP_CLIENT_COMMAND_RCPT,
  SMTP_CLIENT_COMMAND_DATA,
  SMTP_CLIENT_COMMAND_END, /* the final dot, or BDAT LAST */
  SMTP_CLIENT_COMMAND_RSET,
  SMTP_CLIENT_COMMAND_NOOP,
  SMTP_CLIENT_COMMAND_QUIT,
  SMTP_CLIENT_COMMAND_BDAT, /* a chunk that is not the last */
  SMTP_CLIENT_COMMAND_AUTH,
  SMTP_CLIENT_COMMAND_XCLIENT,
  SMTP_CLIENT_COMMAND_XFORWARD
} SmtpClientCommand;

typedef enum
{
  SMTP_CLIENT_START_TLS, /* the host starts the handshake, then calls smtp_client_tls_started() */
  SMTP_CLIENT_READY,     /* capabilities are known, commands may be given */
  SMTP_CLIENT_REPLY,     /* to `command` with `tag` */
  SMTP_CLIENT_FAILED,    /* once, and nothing follows: greeting or EHLO refused, 421 outside of a
                           reply,    malformed or unexpected bytes, an answer in the middle of the data
                           (command    DATA; an early refusal is the server's own reply). `reply` says
                           why;    `command` is the oldest open one or NONE */
  SMTP_CLIENT_CHALLENGE  /* 334 to AUTH, its text as sent: go on with smtp_client_auth_response() */
} SmtpClientEventType;

typedef struct
{
  SmtpClientEventType type;
  SmtpClientCommand command;
  guint tag;
  /* The server's own, code, enhanced code and all lines (valid until the next smtp_client_next());
   * READY: the one to EHLO or HELO; FAILED: may be made here (451 4.4.2, 451 4.3.0 …), then
   * `from_server` is FALSE; START_TLS: NULL. */
  const BaseReply *reply;
  gboolean from_server;
} SmtpClientEvent;

typedef struct _SmtpClient SmtpClient;

/* Commands written and not yet answered, at most: full TCP windows cannot lock both sides. */
#define SMTP_CLIENT_MAX_OPEN 100

/* "MAIL", "end of data", …: for logs. A literal. */
const gchar *smtp_client_command_name (SmtpClientCommand command);

/* `hello` is our name in EHLO, copied; it has no control character. */
SmtpClient *smtp_client_new (const gchar *hello, SmtpClientTls tls);
void smtp_client_free (SmtpClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SmtpClient, smtp_client_free)

/* As in server.h: borrowed until smtp_client_settle(). */
void smtp_client_feed (SmtpClient *client, const guint8 *bytes, gsize length);
const SmtpClientEvent *smtp_client_next (SmtpClient *client);
void smtp_client_settle (SmtpClient *client);
/* The peer closed. The next event is FAILED (451 4.4.2) unless a QUIT was answered or nothing was
 * open; a command that is given later fails as well. */
void smtp_client_eof (SmtpClient *client);
/* The handshake is complete: everything learnt in plaintext is forgotten. Bytes that stood unread
 * behind the 220 to STARTTLS have been FAILED before (CVE-2021-38371). With IMPLICIT it is not
 * needed. */
void smtp_client_tls_started (SmtpClient *client);

BaseOutput *smtp_client_output (SmtpClient *client);
/* LMTP (RFC 2033) instead of SMTP; right after _new. LHLO is said, and a refusal of it is FAILED.
 * The end of the data (also BDAT LAST) has one REPLY for each recipient whose RCPT was accepted, in
 * their order, command END, with that RCPT's tag. */
void smtp_client_set_lmtp (SmtpClient *client);
/* What stood behind these keywords in the last EHLO reply: mechanisms and attribute names with
 * spaces between them; NULL: not offered. Valid until the next EHLO or TLS. */
const gchar *smtp_client_auth_mechanisms (const SmtpClient *client);
const gchar *smtp_client_xclient_names (const SmtpClient *client);
const gchar *smtp_client_xforward_names (const SmtpClient *client);
gboolean smtp_client_is_ready (const SmtpClient *client);
SmtpCapabilities smtp_client_capabilities (const SmtpClient *client);
/* No command open, none queued, no byte unread, no data under way: it may go back to a pool. */
gboolean smtp_client_is_idle (const SmtpClient *client);

/* Commands: from READY on; behind FAILED they do nothing. An address or parameter with control
 * characters is never written: FAILED 451 4.3.0. Parameters that the server does not offer and that
 * change nothing for the message (SIZE, BODY=7BIT, RET, ENVID, …) are left out; those that do
 * (smtp_parameters_needs()) must have been checked by the host before. `tag` comes back with the
 * reply. */
void smtp_client_mail (SmtpClient *client, const BasePath *path, guint tag);
void smtp_client_rcpt (SmtpClient *client, const BasePath *path, guint tag);
void smtp_client_data (SmtpClient *client, guint tag);
/* After 354 only: message bytes, CRLF lines, not dot-stuffed; stuffing is done here (RFC 5321
 * section 4.5.2), behind every LF. What needs none is borrowed by the output. */
void smtp_client_body (SmtpClient *client, const guint8 *bytes, gsize length);
/* The same for bytes in which, behind those that went before, no line begins with a dot: they are
 * not searched. */
void smtp_client_body_undotted (SmtpClient *client, const guint8 *bytes, gsize length);
/* The same for whole lines that stand in a file; see base_output_file(). */
gboolean smtp_client_body_file (SmtpClient *client, gint fd, guint64 offset, gsize length);
/* The final dot; adds a missing last CRLF. */
void smtp_client_end (SmtpClient *client, guint tag);
void smtp_client_rset (SmtpClient *client, guint tag);
void smtp_client_noop (SmtpClient *client, guint tag);
void smtp_client_quit (SmtpClient *client);

/* A chunk (RFC 3030), only where the server offers CHUNKING; the bytes go out as they are, borrowed
 * by the output. FALSE: not now, nothing was done: try again after the next event (without
 * PIPELINING each chunk waits for the reply to what is before it; with LMTP the last one waits for
 * the replies to all RCPTs). The replies are REPLY BDAT, the last one's REPLY END; a 2xx to the
 * last chunk that comes before its bytes were written is FAILED. A refusal leaves the rest of the
 * chunk in the output: it must be written before the connection can be used again. */
gboolean smtp_client_bdat (SmtpClient *client, const guint8 *bytes, gsize length, gboolean last,
                           guint tag);

#define SMTP_CLIENT_MAX_AUTH_LINE 12288 /* octets with CRLF (RFC 4954 section 4) */

/* AUTH (RFC 4954). `initial` is the initial response as it goes on the wire (base64, or "=" for an
 * empty one), NULL: none. Each 334 is a CHALLENGE, the end a REPLY AUTH. Control characters, spaces
 * and lines over the limit are FAILED 451 4.3.0. Nothing else is written until the end. */
void smtp_client_auth (SmtpClient *client, const gchar *mechanism, const gchar *initial, guint tag);
/* The answer to a CHALLENGE, base64; NULL cancels ("*"). */
void smtp_client_auth_response (SmtpClient *client, const gchar *response);
/* Our own login: SCRAM-SHA-256 where it is offered, else PLAIN, else LOGIN; the machine answers the
 * challenges, the end is a REPLY AUTH. A server that accepts SCRAM without having proven that it
 * knows the password is FAILED. FALSE: none is offered, and nothing was done. Whether the
 * connection is safe enough for a password was the host's question. */
gboolean smtp_client_login (SmtpClient *client, const gchar *user, const gchar *password,
                            guint tag);

#define SMTP_CLIENT_MAX_ATTRIBUTE 255 /* octets of an attribute's value; longer: [UNAVAILABLE] */

/* XCLIENT and XFORWARD as Postfix has them: "NAME=value" pairs, NULL at the end, values not
 * encoded. Those that the server does not name are left out, one with control characters is sent as
 * [UNAVAILABLE]. Returns how many REPLYs will come with this tag: 0 where nothing was left to send,
 * else 1, or more of XFORWARD, whose lines are at most 512 octets long. A positive REPLY XCLIENT is
 * a new greeting: the machine says EHLO again, and no command may be given until READY comes. */
guint smtp_client_xclient (SmtpClient *client, const gchar *const *attributes, guint tag);
guint smtp_client_xforward (SmtpClient *client, const gchar *const *attributes, guint tag);
/* The name in every EHLO from here on, behind XCLIENT, instead of our own; one that can not stand
 * in a command changes nothing. Copied. */
void smtp_client_set_hello (SmtpClient *client, const gchar *hello);
