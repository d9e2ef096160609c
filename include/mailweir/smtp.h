/* The building blocks of a mail program: a server that accepts connections, a session that speaks
 * SMTP with one client, a mail with its envelope, a relay that passes it on (RFC 5321). Blocking,
 * 8-bit clean, for C and C++; docs/building-blocks.md is the way in.
 *
 *   WeirServer *server = weir_server_new ("127.0.0.1", "2525", NULL, &error);
 *   WeirSession *session;
 *
 *   while ((session = weir_server_accept (server, &error)) != NULL)
 *     {
 *       while (weir_session_process (session, NULL))
 *         keep (weir_session_mail (session));
 *       weir_session_free (session);
 *     }
 *
 * Threads: each object is used by one thread at a time; several threads may accept from one server,
 * and different objects share nothing that needs a lock. Ownership: what a function returns as
 * `const` belongs to the object and lives as long as is said; anything else is the caller's. NULL
 * is accepted only where that is said. Errors leave as a GError of WEIR_ERROR, or of G_FILE_ERROR
 * where a file is at fault; nothing that comes over a wire can abort the program, and no function
 * raises SIGPIPE. All times are milliseconds, all sizes octets. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#ifndef WEIR_EXPORT
#define WEIR_EXPORT __attribute__ ((visibility ("default")))
#define WEIR_API extern WEIR_EXPORT
#endif

typedef enum
{
  WEIR_ERROR_URL,      /* not an address that we can connect to */
  WEIR_ERROR_CONNECT,  /* no such host, or none of its addresses answers */
  WEIR_ERROR_TLS,      /* the handshake failed, or a certificate or key cannot be used */
  WEIR_ERROR_TIMEOUT,  /* the peer took too long */
  WEIR_ERROR_CLOSED,   /* the connection broke, or the peer closed it where it must not */
  WEIR_ERROR_DEFERRED, /* a server's 4xx where it ends the conversation, or a fault in what it
                          said */
  WEIR_ERROR_REFUSED,  /* a server's 5xx where it ends the conversation */
  WEIR_ERROR_BIND,     /* the server's host and port cannot be had */
  WEIR_ERROR_STOPPED,  /* weir_server_stop() was called */
  WEIR_ERROR_CONTENT,  /* a mail to be relayed has a bare CR or LF in it (RFC 5321 section 2.3.8) */
  WEIR_ERROR_INCOMPLETE, /* a mail without a sender or without a recipient, or none at all */
  WEIR_ERROR_AUTH        /* the server does not take the user and the password */
} WeirError;
#define WEIR_ERROR (weir_error_quark ())
WEIR_API GQuark weir_error_quark (void);

/* One line of a conversation, without its line end, control characters as '?', what AUTH says as
 * "*"; of a mail's content a relay tells the size alone, a session nothing, nor what came in one
 * piece with it. `sent`: ours. `line` is of the call. */
typedef void (*WeirTrace) (gboolean sent, const char *line, gpointer data);

/* ---- Mail: a message and its envelope ---- */

/* Counted references; once a mail is complete any thread may read it. */
typedef struct _WeirMail WeirMail;

/* A new mail without content. `sender` is an address without brackets, "" the null reverse-path
 * (RFC 5321 section 4.5.5); `parameters` are ESMTP parameters ("RET=HDRS", keywords in upper case),
 * NULL-terminated, or NULL. Both are copied. NULL with WEIR_ERROR_URL when it is no address. */
WEIR_API WeirMail *weir_mail_new (const char *sender, const char *const *parameters,
                                  GError **error);
WEIR_API WeirMail *weir_mail_ref (WeirMail *mail);
WEIR_API void weir_mail_unref (WeirMail *mail); /* NULL is fine */

/* Adds a recipient, as above; "postmaster" may stand without a domain (section 4.5.1). */
WEIR_API gboolean weir_mail_add_recipient (WeirMail *mail, const char *recipient,
                                           const char *const *parameters, GError **error);
/* Adds content: lines that end with CRLF, not dot-stuffed. What does not fit in memory goes to a
 * file without a name in `spool_directory` of the settings, or in the folder for temporary files.
 * FALSE: G_FILE_ERROR, and what was there before stays. */
WEIR_API gboolean weir_mail_append (WeirMail *mail, const void *bytes, gsize length,
                                    GError **error);

/* Strings live as long as the mail. Parameters are NULL-terminated and never NULL. */
WEIR_API const char *weir_mail_sender (const WeirMail *mail);
WEIR_API const char *const *weir_mail_sender_parameters (const WeirMail *mail);
WEIR_API guint weir_mail_recipient_count (const WeirMail *mail);
/* `index` is below the count. */
WEIR_API const char *weir_mail_recipient (const WeirMail *mail, guint index);
WEIR_API const char *const *weir_mail_recipient_parameters (const WeirMail *mail, guint index);
WEIR_API guint64 weir_mail_size (const WeirMail *mail);
/* The whole content, mapped when it stands in a file; not terminated by a NUL. Valid until the next
 * weir_mail_append() and as long as the mail. NULL: G_FILE_ERROR. */
WEIR_API const guint8 *weir_mail_bytes (WeirMail *mail, gsize *length, GError **error);
/* A new descriptor on the content, read-only, at its start, with an offset of its own; the caller
 * closes it. -1: G_FILE_ERROR. */
WEIR_API int weir_mail_open (WeirMail *mail, GError **error);

/* ---- Settings of a server ---- */

/* 0 or NULL in a member means the default that stands behind it. Strings are copied. A limit that
 * is passed is answered as RFC 5321 section 4.5.3.1.9 and RFC 1870 have it. */
typedef struct
{
  gsize size;             /* sizeof (WeirSettings) */
  const char *hostname;   /* in the greeting and in EHLO; this host's name */
  guint64 message_size;   /* of one message; 50 MiB. One octet more: 552 5.3.4 */
  guint recipients;       /* of one message; 1,000. One more: 452 4.5.3 */
  guint line_length;      /* of a command with its CRLF; 2,048. Longer: 500 5.5.2 */
  guint text_line_length; /* of a line of the message; no limit. Longer: 500 5.6.0 */
  guint header_size;      /* of a message's header, only while a hook looks at it; 1 MiB. Longer:
                             552 5.3.4 */
  guint bad_commands;     /* in one session; 20. One more: 421 4.7.0 */
  guint command_timeout; /* for a whole command, and for the client to take what we write; 5 minutes
                            (section 4.5.3.2.7). Then 421 4.4.2 */
  guint data_timeout;    /* between two pieces of a message; 3 minutes (section 4.5.3.2.5) */
  guint session_timeout; /* for all of a session's reading and writing; no limit */
  gsize memory;          /* of a message that is kept in memory; 1 MiB */
  const char *spool_directory; /* of larger ones; the folder for temporary files */
  const char *certificate;     /* PEM, with its chain: STARTTLS is offered (RFC 3207); no TLS */
  const char *key;             /* PEM; in `certificate` */
  gboolean implicit_tls;       /* TLS from the first octet (RFC 8314 section 3.3) */
  gboolean require_tls;        /* 530 5.7.0 to MAIL before TLS */
  gboolean require_helo;       /* 503 5.5.1 to MAIL before HELO or EHLO */
  gboolean normalize_newlines; /* a bare CR or LF becomes CRLF instead of 550 5.6.11 */
  gboolean auth_in_plaintext;  /* AUTH is offered without TLS, too; a password can be overheard */
  gboolean require_auth;       /* 530 5.7.0 to MAIL before AUTH */
  gboolean dsn;                /* DSN is offered (RFC 3461): RET, ENVID, NOTIFY and ORCPT are among
                                  the mail's parameters, for a program that passes them on */
} WeirSettings;

/* ---- Server ---- */

typedef struct _WeirServer WeirServer;

/* Listens, with SO_REUSEADDR and the largest backlog, at all addresses of `host` (NULL: this host's
 * name; "0.0.0.0" and "::": everywhere) and at `port`, a number or a service's name (NULL: 25; "0":
 * any free one, at the first address only). `settings`: NULL for the defaults; need not outlive the
 * call. NULL: WEIR_ERROR_BIND, or WEIR_ERROR_TLS when certificate or key cannot be used. */
WEIR_API WeirServer *weir_server_new (const char *host, const char *port,
                                      const WeirSettings *settings, GError **error);
/* Closes the listening sockets; sessions live on. NULL is fine. */
WEIR_API void weir_server_free (WeirServer *server);
/* The port that is listened at. */
WEIR_API guint weir_server_port (const WeirServer *server);

typedef struct _WeirSession WeirSession;

/* Waits for a client. Nothing has been sent to it yet: its address can be asked, and the session
 * freed without a word, given to a thread, or served by a forked child (then the parent frees its
 * own copy, which leaves the child's connection alone). What is only a matter of time (no
 * descriptors left, a client that went away at once) is waited out. NULL: WEIR_ERROR_STOPPED, or
 * WEIR_ERROR_CLOSED when the system lets nobody wait. */
WEIR_API WeirSession *weir_server_accept (WeirServer *server, GError **error);
/* Makes every weir_server_accept(), under way or later, return NULL. Any thread and any signal
 * handler may call it. */
WEIR_API void weir_server_stop (WeirServer *server);

/* ---- Session ---- */

/* One callback a step, each optional, called while weir_session_process() or weir_session_step()
 * runs. What it has not answered by weir_session_reply() hears the default reply. `data` is what
 * weir_session_set_hooks() was given. Strings are of the call.
 *
 *   hook            argument                     default reply
 *   connect         before the greeting          220
 *   helo            domain                       250
 *   ehlo            domain                       250, several lines, HELP among them
 *   mail            sender, "" for nobody        250 naming the sender
 *   rcpt            recipient                    250 naming the recipient
 *   data                                         354
 *   header          name, value unfolded         none
 *   end_of_headers  at the blank line, or at a   none
 *                   line that is no header
 *   body            a piece of the body          none
 *   end_of_message  all of it is in the mail     250, see weir_session_process()
 *   expn            address                      502
 *   vrfy            address                      252
 *   noop            the rest of the line, or ""  250
 *   rset                                         250
 *   help            command, or ""               214
 *   quit                                         221, then the end
 *   unknown         the whole line               500 naming the line
 *   disconnect      last of all, however the     none
 *                   session ended
 *
 * `auth` says whether a user's password is right: 235, or 535 5.7.8; a reply that it sets stands in
 * their place (454 4.7.0 when it can not be found out). With this hook PLAIN and LOGIN are offered
 * once TLS is spoken (RFC 4954); the fifth failure closes. Strings are UTF-8 and wiped afterwards.
 *
 * A refusal (4xx, 5xx) at mail, rcpt or data leaves the transaction as RFC 5321 section 4.1.1 says;
 * a reply at data that is not 354 takes no message; where the client sends chunks instead (RFC
 * 3030), any positive one does. A refusal at header, end_of_headers or body ends the looking: the
 * rest is read and dropped, and the client hears it after its final dot. At ehlo the first line of
 * a 250 is the greeting, and further ones stand behind the keywords that the session offers itself.
 * A command of your own is an `unknown` hook that answers its line; EHLO can announce it. What the
 * client does in the wrong order or writes wrongly is answered without a hook. */
typedef struct
{
  gsize size; /* sizeof (WeirHooks) */
  void (*connect) (WeirSession *session, gpointer data);
  void (*helo) (WeirSession *session, const char *domain, gpointer data);
  void (*ehlo) (WeirSession *session, const char *domain, gpointer data);
  void (*mail) (WeirSession *session, const char *sender, gpointer data);
  void (*rcpt) (WeirSession *session, const char *recipient, gpointer data);
  void (*data) (WeirSession *session, gpointer data);
  void (*header) (WeirSession *session, const char *name, const char *value, gpointer data);
  void (*end_of_headers) (WeirSession *session, gpointer data);
  void (*body) (WeirSession *session, const guint8 *chunk, gsize length, gpointer data);
  void (*end_of_message) (WeirSession *session, gpointer data);
  void (*expn) (WeirSession *session, const char *address, gpointer data);
  void (*vrfy) (WeirSession *session, const char *address, gpointer data);
  void (*noop) (WeirSession *session, const char *argument, gpointer data);
  void (*rset) (WeirSession *session, gpointer data);
  void (*help) (WeirSession *session, const char *command, gpointer data);
  void (*quit) (WeirSession *session, gpointer data);
  void (*unknown) (WeirSession *session, const char *line, gpointer data);
  void (*disconnect) (WeirSession *session, gpointer data);
  gboolean (*auth) (WeirSession *session, const char *user, const char *password, gpointer data);
} WeirHooks;

/* A session on a stream socket that is connected already (from inetd, a socketpair, an event loop),
 * which it takes over and closes, also when NULL is returned (WEIR_ERROR_TLS). `settings` as for
 * weir_server_new(). */
WEIR_API WeirSession *weir_session_new (int descriptor, const WeirSettings *settings,
                                        GError **error);
/* Closes the connection at once. A message that waits for its answer has not been accepted: the
 * client hears nothing, and comes again. NULL is fine; not from a hook. */
WEIR_API void weir_session_free (WeirSession *session);

/* `hooks` is copied, `data` must outlive the session. NULL takes the hooks away. */
WEIR_API void weir_session_set_hooks (WeirSession *session, const WeirHooks *hooks, gpointer data);
/* `data` must outlive the session. NULL: none. */
WEIR_API void weir_session_set_trace (WeirSession *session, WeirTrace trace, gpointer data);
/* The most octets that a body hook gets at once: 1,024 unless told otherwise. 0: line by line, with
 * the line's CRLF; of a line over 64 KiB, pieces. May be called by any hook, for the pieces to
 * come. */
WEIR_API void weir_session_set_chunk_size (WeirSession *session, gsize octets);

typedef enum
{
  WEIR_STEP_FAILED,  /* the session ended, and `error` says why */
  WEIR_STEP_CLOSED,  /* the session ended as it may: QUIT, a refusal that closes, or the client hung
                        up outside of a transaction */
  WEIR_STEP_MESSAGE, /* a whole message is there, and waits for its answer */
  WEIR_STEP_CONNECT, /* this and all below: that was done, and answered where it has an answer */
  WEIR_STEP_HELO,
  WEIR_STEP_EHLO,
  WEIR_STEP_MAIL,
  WEIR_STEP_RCPT,
  WEIR_STEP_DATA,
  WEIR_STEP_CONTENT,  /* a piece of the message */
  WEIR_STEP_REJECTED, /* a message that was complete, and refused: by a hook, a limit, or for its
                         bytes */
  WEIR_STEP_EXPN,
  WEIR_STEP_VRFY,
  WEIR_STEP_NOOP,
  WEIR_STEP_RSET,
  WEIR_STEP_HELP,
  WEIR_STEP_QUIT,
  WEIR_STEP_STARTTLS,
  WEIR_STEP_UNKNOWN, /* an unknown command, or one that only this library knows */
  WEIR_STEP_AUTH
} WeirStep;

/* Does one thing: waits for the client's next command, or piece of a message, and answers it.
 * Replies to commands that came together leave together, before the next wait (RFC 2920). */
WEIR_API WeirStep weir_session_step (WeirSession *session, GError **error);
/* Greets the client if that is not done, and runs the conversation until a whole message is there.
 * TRUE: weir_session_mail() is it, and the client still waits for the answer: do with the message
 * what must be done, call weir_session_reply() if the answer is not to be 250, and call again: that
 * answers, and goes on with the next message. So nothing that was answered 250 can be lost because
 * the client hung up. FALSE without an error: as WEIR_STEP_CLOSED; with one: as WEIR_STEP_FAILED.
 */
WEIR_API gboolean weir_session_process (WeirSession *session, GError **error);

/* The answer to what is under way: in a hook, or while a message waits for its answer. `code` is
 * 200 to 599, `enhanced` "x.y.z" of the same class, or NULL (RFC 3463). The text may hold several
 * lines, separated by '\n'; other control characters become spaces. The last call counts. 421
 * closes. */
WEIR_API void weir_session_reply (WeirSession *session, guint code, const char *enhanced,
                                  const char *format, ...) G_GNUC_PRINTF (4, 5);
/* Adds a line to the answer that was set. */
WEIR_API void weir_session_add_line (WeirSession *session, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
/* Ends the session when what is under way has been answered: the operation is completed, and
 * nothing more is read. With nothing under way the next step says 421 4.3.2. */
WEIR_API void weir_session_close (WeirSession *session);

/* The mail under way: NULL before MAIL was accepted, and after RSET, HELO, EHLO, STARTTLS or a
 * refusal; recipients are those that were accepted. A complete one stays until the next step, or as
 * long as a reference is held. */
WEIR_API WeirMail *weir_session_mail (const WeirSession *session);
/* "192.0.2.1", "2001:db8::1", "local" for a UNIX socket, "unknown". Lives as long as the session.
 */
WEIR_API const char *weir_session_peer_address (const WeirSession *session);
WEIR_API guint weir_session_peer_port (const WeirSession *session); /* 0: none */
/* The name that the client gave in HELO or EHLO, if it was accepted; NULL before, and again after
 * STARTTLS. Until the next step. */
WEIR_API const char *weir_session_helo (const WeirSession *session);
/* Who has authenticated; NULL: nobody has. Until the next step. */
WEIR_API const char *weir_session_user (const WeirSession *session);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384", or NULL without TLS. As long as the session. */
WEIR_API const char *weir_session_tls (const WeirSession *session);
/* The socket, to be asked (getpeername, getsockopt), never to be read, written or closed. */
WEIR_API int weir_session_descriptor (const WeirSession *session);

/* ---- Relay ---- */

typedef enum
{
  WEIR_TLS_OPPORTUNISTIC, /* if the server offers it; no certificate is checked (RFC 7435) */
  WEIR_TLS_OFF,
  WEIR_TLS_REQUIRED, /* no certificate is checked */
  WEIR_TLS_VERIFIED  /* the certificate must be the host's (RFC 6125) */
} WeirTls;

/* 0 or NULL in a member means the default that stands behind it. */
typedef struct
{
  gsize size;           /* sizeof (WeirRelaySettings) */
  const char *hostname; /* in EHLO; this host's name */
  WeirTls tls;
  const char *authorities;    /* PEM, with WEIR_TLS_VERIFIED; the system's */
  guint timeout;              /* of connecting, of each answer, and while nothing can be written; 5
                                 minutes (RFC 5321 section 4.5.3.2) */
  guint port;                 /* where "mx:" connects to; 25 */
  WeirTrace trace;            /* none */
  gpointer trace_data;        /* must outlive the relay */
  const char *user;           /* AUTH (RFC 4954) to the server of a URL, never to those of
                                 "mx:"; none */
  const char *password;       /* of `user`; "" */
  gboolean auth_in_plaintext; /* also without TLS; else such a server gets no password, and
                                 everybody is deferred */
  const char *certificate;    /* PEM, our own, and its chain; none */
  const char *key;            /* PEM, its key; it stands in `certificate`. Files are read by
                                 weir_relay_new(); if one is no use, everybody is deferred */
  const char *tls_name;       /* the name in the server's certificate; the host's */
  guint connect_timeout;      /* of connecting, instead of `timeout`; the same */
  guint final_timeout;        /* of the answer to the final dot; the same */
  guint proxy;                /* 1 or 2: a PROXY header of that version goes first, which says that
                                 the connection is our own; none */
} WeirRelaySettings;

typedef struct _WeirRelay WeirRelay;

/* `settings`: NULL for the defaults; copied. */
WEIR_API WeirRelay *weir_relay_new (const WeirRelaySettings *settings);
WEIR_API void weir_relay_free (WeirRelay *relay); /* NULL is fine */

/* Adds the mail hosts of `domain` to `hosts` as strings for g_free(), in the order in which they
 * are to be tried (RFC 5321 section 5.1); none when the domain has no MX record, then its own
 * address is tried; a single "." when it takes no mail (RFC 7505). FALSE with `error` when that
 * could not be found out: its recipients are deferred. */
typedef gboolean (*WeirResolver) (const char *domain, GPtrArray *hosts, gpointer data,
                                  GError **error);
/* Who is asked by "mx:". NULL: the system's resolver (res_nquery). `data` must outlive the relay.
 */
WEIR_API void weir_relay_set_resolver (WeirRelay *relay, WeirResolver resolver, gpointer data);

typedef enum
{
  WEIR_OUTCOME_DELIVERED, /* the server has answered 250 for the message */
  WEIR_OUTCOME_DEFERRED,  /* try again later */
  WEIR_OUTCOME_REFUSED    /* for good */
} WeirOutcome;

/* What became of one recipient. */
typedef struct
{
  const char *recipient;
  WeirOutcome outcome;
  guint code; /* the server's reply, or one that was made here (RFC 3463: 451 4.4.1 …) */
  const char *enhanced; /* "x.y.z"; "" when the server gave none */
  const char *text;     /* lines separated by '\n' */
  const char *host;     /* "host:port", or the socket, that said so; "" when none was reached */
  gboolean in_doubt;    /* with DEFERRED: the answer to the final dot was lost; the server may have
                           taken the message (RFC 1047) */
} WeirFate;

typedef struct _WeirRelayResult WeirRelayResult;

/* Sends a mail to all its recipients by way of `url`: "smtp://host:port", "smtps://host:port"
 * (without port 25 and 465), "lmtp://host:port" (24) and "lmtp:/path/to/socket", which answer for
 * each recipient, or "mx:", the mail hosts of each recipient's domain. SIZE, BODY and
 * SMTPUTF8 are told as the content needs them (RFC 1870, 6152, 6531). Every recipient gets a fate;
 * NULL only when nothing was tried: WEIR_ERROR_URL, WEIR_ERROR_INCOMPLETE (`mail` may be NULL),
 * G_FILE_ERROR. */
WEIR_API WeirRelayResult *weir_relay_to_url (WeirRelay *relay, WeirMail *mail, const char *url,
                                             GError **error);
WEIR_API void weir_relay_result_free (WeirRelayResult *result); /* NULL is fine */
/* As many as the mail has recipients, in their order; fates live as long as the result. */
WEIR_API guint weir_relay_result_count (const WeirRelayResult *result);
WEIR_API const WeirFate *weir_relay_result_fate (const WeirRelayResult *result, guint index);
/* The worst of them, for one answer to all: any that was refused, else any that was deferred, else
 * the first. */
WEIR_API const WeirFate *weir_relay_result_worst (const WeirRelayResult *result);
/* What ended a conversation early, the last one if there were several; NULL: none did. */
WEIR_API const GError *weir_relay_result_error (const WeirRelayResult *result);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirMail, weir_mail_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirServer, weir_server_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirSession, weir_session_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirRelay, weir_relay_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirRelayResult, weir_relay_result_free)

G_END_DECLS
