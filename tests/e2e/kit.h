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
void kit_say (KitClient *client, const gchar *text); /* "\n" becomes CRLF */
void kit_say_bytes (KitClient *client, gconstpointer bytes, gsize length);
gchar *kit_reply (KitClient *client); /* one whole reply, "\n" ended; "" when closed */
void kit_expect (KitClient *client, const gchar *prefix); /* one reply that begins so */
/* EHLO, MAIL, RCPT, DATA up to the 354. */
void kit_open_message (KitClient *client, const gchar *from, const gchar *to);
void kit_close (KitClient *client);
gint kit_client_fd (KitClient *client);

/* ---- Mailweir ---- */
/* Starts it with this configuration (any "%d" is for the caller to fill) and waits until it says
 * that it is ready. */
KitProcess *kit_mailweir (const gchar *config);
KitProcess *kit_mailweir_named (const gchar *name, const gchar *config);
const gchar *kit_program (const gchar *name); /* path of mailweir, or of a module of the build */

/* ---- Upstreams ---- */
/* smtp-sink with these further options, each message in a file of its own in `folder`. */
KitProcess *kit_sink (guint port, const gchar *folder, const gchar *const *options);
/* The messages in a sink's or Maildir's folder. */
GPtrArray *kit_messages (const gchar *folder);
void kit_wait_messages (const gchar *folder, guint count);

/* ---- Certificates, made by openssl(1) in the folder: NAME.pem, NAME.key signed by ca.pem ---- */
void kit_certificate (const gchar *name, const gchar *host);
