/* A session without sockets: a client that is text, an upstream that is our own server machine,
 * workers that are functions, a clock that is set.
 *
 * After each call everything has been moved until nothing moves. */
#pragma once

#include "gateway/session.h"
#include "smtp/server.h"

typedef struct _Harness Harness;

/* Plays a worker for one filter: fills a record. FALSE: it dies instead. */
typedef gboolean (*HarnessFilter) (Harness *harness, const IpcRequest *request, guint filter,
                                   IpcRecord *record);

/* Plays the upstream: as what `script` has, for an event ("MAIL a@b", "CHUNK", "END", …); NULL: the
 * script decides. */
typedef const gchar *(*HarnessDecide) (Harness *harness, const gchar *event);

struct _Harness
{
  Config *config;
  ConfigSources *sources;
  GArray *facts;
  GatewayListener *listener;
  GatewaySession *session;
  gint64 now;

  GString *heard;       /* by the client */
  const gchar *outcome; /* of the last message */
  gboolean gone;        /* what client_is_gone() answers */
  gboolean slow;        /* what count_message() refuses */
  gboolean crowded;     /* what change_client() refuses */
  BaseEndpoint client;  /* what it was told last, and the session was given at first */
  BaseEndpoint server;
  SmtpCapabilities capabilities;
  gboolean capabilities_later;

  /* upstream */
  GHashTable *script;   /* "MAIL", "RCPT a@b", "DATA", "END" (of LMTP also "END a@b"), "RSET" →
                           "550 5.1.1 text", "close",   "stall", "421 …"; "lose": accepts, and closes
                           without an answer; "raw …":   says this and goes on */
  HarnessDecide decide; /* NULL: only the script */
  gpointer data;        /* of the test */
  GHashTable *accepted; /* gchar * sender, or of LMTP "sender recipient" → number of messages */
  GPtrArray *routes;    /* names of the routes that were asked for */
  GString *commands;    /* the upstream's events, one a line, over all connections */
  GString *message;     /* the last complete message that it accepted */
  guint messages;       /* accepted */
  guint64 from_files;   /* octets that the output had in files */
  gsize choke;          /* octets that it takes in each move; 0: all */
  gboolean mute;        /* what it says stays in its socket, unless it is looked at */
  guint connections;    /* made */
  guint takes;          /* how often one was asked for that is still to come: 0 or 1 */
  gboolean take_later;  /* connections come by gateway_session_upstream_ready() */
  gboolean unreachable;
  const gchar *mechanisms;   /* of AUTH; NULL: not offered */
  gboolean remote;           /* not on our own host */
  const gchar *upstream_tls; /* its version; NULL: plaintext */
  gboolean lmtp;             /* the route that was asked for speaks it */
  guint given_back, dropped;

  /* workers */
  HarnessFilter filter; /* NULL: requests stay open */
  IpcRequest *request;  /* the open one, decoded from what was encoded */
  guint requests, cancelled;
  gboolean begun; /* whether recall_worker() comes too late */
  gboolean queue_full;

  /* disk */
  GatewayDelivery *job;
  GPtrArray *stored;       /* gchar *: what was written */
  GHashTable *stored_from; /* gchar * sender → number of messages */
  GError *disk_error;
  gboolean store_later;
};

#define HARNESS_CONFIG                                                                             \
  "hostname = \"mx.test\"\ndeadline = 60s\n"                                                       \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] idle = 5m }\n"                  \
  "route \"up\" { to = [\"smtp://127.0.0.1:25\"] reply = 30s final-reply = 10m }\n"

/* `hooks`: of IPC_HOOK_BIT, one number a configured filter, as many as there are. `edits`: what
 * each declares. */
Harness *harness_new (const gchar *config, const guint32 *hooks, guint n_hooks, guint32 edits);
/* The same for this client, with the host's name "client.test". */
Harness *harness_new_for (const gchar *config, const guint32 *hooks, guint n_hooks,
                          const gchar *client, GatewayClientKind kind);
/* The same with commands that the filters add: `adds[i]` is "VERB places[!]" (places: of
 * SmtpServerPlace, as a digit; "!": announced) or NULL. */
Harness *harness_new_adding (const gchar *config, const guint32 *hooks, guint n_hooks,
                             guint32 edits, const gchar *const *adds);
void harness_free (Harness *harness);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Harness, harness_free)

/* Greeting and EHLO, then forgets what was heard. */
void harness_greet (Harness *harness);
/* The client says this ("\n" becomes CRLF) in one write, or byte by byte. */
void harness_say (Harness *harness, const gchar *text);
void harness_say_bytes (Harness *harness, const gchar *bytes, gsize length);
void harness_say_bytewise (Harness *harness, const gchar *text);
/* What the client heard since the last call, "\r\n" as "\n". Caller frees. */
gchar *harness_heard (Harness *harness);
void harness_move (Harness *harness);
void harness_pass_time (Harness *harness, gint64 milliseconds);
void harness_script (Harness *harness, const gchar *key, const gchar *answer);
/* The upstream says this, asked or not. */
void harness_upstream_says (Harness *harness, const gchar *bytes);
/* The upstream answers the oldest command at which it stalled. */
void harness_upstream_answers (Harness *harness, const gchar *answer);
/* The upstream closes its connection now. */
void harness_upstream_closes (Harness *harness);
/* A connection that was asked for comes. */
void harness_upstream_comes (Harness *harness);
void harness_answer_request (Harness *harness, HarnessFilter filter);
void harness_disk_is_done (Harness *harness);

/* ---- What most tests say and hear ---- */

#define SAY_MAIL "MAIL FROM:<a@client.test>\n"
#define SAY_RCPT "RCPT TO:<b@up.test>\n"
#define SAY_BODY "Subject: hi\n\nhello\n.\n"

/* Greeted, with HARNESS_CONFIG, or with two filters "one" and "two" (whose on-failure is "pass").
 */
Harness *harness_plain (void);
Harness *harness_filtered (guint32 one, guint32 two, HarnessFilter filter);
void harness_assert_heard (Harness *harness, const gchar *expected);
/* The answer's first characters are enough where the wording is ours. */
void harness_assert_code (Harness *harness, const gchar *code);
/* The accepted message behind our trace field. */
const gchar *harness_behind_received (const Harness *harness);
