/* What the end-to-end tests stand on: real programs started on loopback ports of their own, in a
 * folder of the test's own, ended by pid.
 *
 * Every function fails the test with a message when the world does not do as asked; waiting is
 * bounded everywhere. */
#pragma once

#include <glib.h>

#define KIT_PATIENCE 20 /* seconds that anything may take */

/* ---- The test's folder ---- */
const gchar *kit_folder (void); /* made at first use, removed by kit_finish() */
gchar *kit_path (const gchar *format, ...) G_GNUC_PRINTF (1, 2);
void kit_write (const gchar *path, const gchar *text);
gchar *kit_read (const gchar *path); /* NULL: not there */
void kit_finish (void);              /* ends every process that is left, removes the folder */

/* ---- Processes ---- */
typedef struct _KitProcess KitProcess;

/* Starts `argv`; standard output and error go to `NAME.log` in the folder. */
KitProcess *kit_start (const gchar *name, const gchar *const *argv);
GPid kit_pid (const KitProcess *process);
gboolean kit_is_running (KitProcess *process);
/* Sends the signal and waits for the end. Returns the wait status. */
gint kit_stop (KitProcess *process, gint signal_number);
/* Waits for the end by itself. */
gint kit_wait (KitProcess *process);
gchar *kit_log (const KitProcess *process);
/* Waits until the process's log contains the text. */
void kit_wait_log (KitProcess *process, const gchar *text);
/* Runs a program to its end; `*output` gets both streams. Returns the exit status (-1: a signal).
 */
gint kit_run (const gchar *const *argv, gchar **output);
gboolean kit_have (const gchar *program); /* in PATH or sbin */
/* Processes below `pid`, all generations. */
GArray *kit_descendants (GPid pid);

/* ---- Ports ---- */
guint kit_port (void);           /* a loopback port that nobody listens on */
void kit_wait_port (guint port); /* until somebody does */

/* ---- A raw SMTP client ---- */
typedef struct _KitClient KitClient;

KitClient *kit_connect (guint port);
KitClient *kit_connect_socket (const gchar *path);   /* a UNIX socket */
void kit_say (KitClient *client, const gchar *text); /* "\n" becomes CRLF */
void kit_say_bytes (KitClient *client, gconstpointer bytes, gsize length);
gchar *kit_reply (KitClient *client); /* one whole reply, "\n" ended; "" when closed */
void kit_expect (KitClient *client, const gchar *prefix); /* one reply that begins so */
/* The 220, EHLO and its reply. Returns the reply. */
gchar *kit_greet (KitClient *client);
/* Says the line and expects a reply that begins so. */
void kit_command (KitClient *client, const gchar *line, const gchar *prefix);
/* MAIL, RCPT, DATA up to the 354. */
void kit_open_message (KitClient *client, const gchar *from, const gchar *to);
void kit_close (KitClient *client);
/* One message from a@client.test in a connection of its own. Returns the reply to its end, or the
 * first one that refuses. `text` is dot-stuffed here, "\n" becomes CRLF. */
gchar *kit_deliver (guint port, const gchar *to, const gchar *text);
gint kit_client_fd (KitClient *client);

/* ---- Mailweir ---- */
/* Starts it with this configuration (any "%d" is for the caller to fill) and waits until it says
 * that it is ready. */
KitProcess *kit_mailweir (const gchar *config);
KitProcess *kit_mailweir_named (const gchar *name, const gchar *config);
/* One listener on `port`, one route "up" to `to` (what stands in its list: `"smtp://…"`).
 * `listener` and `route` are further options of those, `rest` stands behind; all three may be NULL.
 */
KitProcess *kit_gateway (guint port, const gchar *to, const gchar *listener, const gchar *route,
                         const gchar *rest);
/* SIGTERM, a clean end, and no sanitizer has said anything. */
void kit_gateway_stop (KitProcess *mailweir);
/* `mailweir check` takes this configuration that is shipped, but for its user, who is not here. */
void kit_check_shipped (const gchar *name);
const gchar *kit_program (const gchar *name); /* path of mailweir, or of a module of the build */

/* ---- Upstreams ---- */
/* smtp-sink with these further options, each message in a file of its own in `folder`. */
KitProcess *kit_sink (guint port, const gchar *folder, const gchar *const *options);
/* The messages in a sink's or Maildir's folder. */
GPtrArray *kit_messages (const gchar *folder);
void kit_wait_messages (const gchar *folder, guint count);

/* ---- A scripted upstream: threads of the test that speak SMTP and keep every octet they hear.
 * Only CRLF.CRLF ends its data, and it never guesses: what it heard is what came. ---- */
typedef enum
{
  KIT_ANSWER,
  KIT_CLOSE, /* after the reply */
  KIT_RESET, /* the same by a TCP reset */
  KIT_STALL  /* after the reply; says nothing more until the test ends it */
} KitAction;

/* What is said to a command line that begins so, upper and lower case being one. "CONNECT" is the
 * greeting, "." the end of the data. The first row that fits is used, else the usual answer. */
typedef struct
{
  const gchar *command; /* NULL ends the table */
  KitAction action;
  const gchar *reply; /* "\n" becomes CRLF; "": none */
} KitStep;

typedef struct _KitServer KitServer;

/* `offers`: the EHLO keywords, one a line; NULL: none. `steps` may be NULL; both must outlive the
 * server. Listens on `port`. */
KitServer *kit_server (guint port, const gchar *offers, const KitStep *steps);
/* The same at another address than 127.0.0.1, IPv6 or IPv4. */
KitServer *kit_server_at (const gchar *address, guint port, const gchar *offers,
                          const KitStep *steps);
/* The command lines of all connections so far, in the order they came. Free the array. */
GPtrArray *kit_server_commands (KitServer *server);
/* How many of them begin so. */
guint kit_server_count (KitServer *server, const gchar *command);
/* Whole messages of which the end was heard, dots unstuffed, as GBytes. Free the array. */
GPtrArray *kit_server_messages (KitServer *server);
/* Forgets commands and messages. */
void kit_server_forget (KitServer *server);
/* CR or LF alone, in commands or data, that ever came. */
guint kit_server_bare_newlines (KitServer *server);
void kit_server_stop (KitServer *server); /* and frees it */

/* ---- Postfix, a private instance below the folder; only root can start one. It takes mail for
 * b@up.test and c@up.test into Maildirs, refuses others there, and VRFY. ---- */
typedef struct _KitPostfix KitPostfix;

/* NULL: it can not run here, and `*reason` says why. `settings` are further lines of main.cf,
 * `smtpd` further options of the listener ("-o name=value"); both may be NULL. */
KitPostfix *kit_postfix (const gchar *name, guint port, const gchar *settings, const gchar *smtpd,
                         const gchar **reason);
gchar *kit_postfix_log (const KitPostfix *postfix);
void kit_postfix_wait_log (const KitPostfix *postfix, const gchar *text);
gchar *kit_postfix_folder (const KitPostfix *postfix, const gchar *user); /* its Maildir's new/ */
void kit_postfix_stop (KitPostfix *postfix);                              /* and frees it */

/* ---- Dovecot, a private instance that speaks LMTP on `port` and a UNIX socket; only root can
 * start one. It has Maildirs for b, c and d at any domain; c's quota holds no message at all (552
 * behind the data); others are refused at RCPT. ---- */
typedef struct _KitDovecot KitDovecot;

/* NULL: it can not run here, and `*reason` says why. */
KitDovecot *kit_dovecot (const gchar *name, guint port, const gchar **reason);
gchar *kit_dovecot_socket (const KitDovecot *dovecot);
gchar *kit_dovecot_folder (const KitDovecot *dovecot, const gchar *user); /* its Maildir's new/ */
void kit_dovecot_stop (KitDovecot *dovecot);                              /* and frees it */

/* ---- Certificates, made by openssl(1) in the folder: NAME.pem, NAME.key signed by ca.pem ---- */
void kit_certificate (const gchar *name, const gchar *host);
