/* Whole sessions of random events: a client that pipelines, cuts, forgets its manners and leaves;
 * upstreams that refuse, stall, close and lie; filters that do everything they may and some that
 * they may not; clocks that jump. Whatever happens, the promises hold: see check(). */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define SEEDS 1500 /* a few seconds under the sanitizers */
#define STEPS 60

#define ROUTES                                                                                     \
  "route \"up\" { for = [\"up.test\"] to = [\"smtp://127.0.0.1:25\"] reply = 30s }\n"              \
  "route \"other\" { for = [\"other.test\"] to = [\"smtp://127.0.0.1:26\"] reply = 20s }\n"        \
  "route \"box\" { for = [\"box.test\"] to = [\"maildir:/nowhere\"] }\n"
#define GLOBAL "hostname = \"mx.test\"\ndeadline = 60s\nquarantine = \"/nowhere\"\n"
#define LISTENER(filters)                                                                          \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\", \"other\", \"box\"]"            \
  " idle = 2m auth = \"always\"" filters "}\n"

static const gchar plain[] = GLOBAL LISTENER ("") ROUTES;
static const gchar filtered[] = GLOBAL LISTENER (" filters = [\"one\", \"two\"] ") ROUTES
    "filter \"one\" { module = \"x\" timeout = 10s }\n"
    "filter \"two\" { module = \"x\" timeout = 10s on-failure = \"pass\" }\n";

/* One message is known by its sender's number, from end to end. */
typedef struct
{
  guint tokens;           /* senders used so far */
  GHashTable *answers;    /* sender → code that message_over told */
  GHashTable *set_aside;  /* senders that a filter discarded or quarantined */
  GHashTable *unreliable; /* senders whose upstream lied, or lost its answer */
  gchar *current;         /* sender of the upstream's transaction at hand */
  guint upstream_evil;    /* in a hundred */
  guint filter_evil;
} Plan;

static guint
below (guint limit)
{
  return (guint) g_test_rand_int_range (0, (gint32) limit);
}

static gboolean
percent (guint chance)
{
  return below (100) < chance;
}

/* ---- The upstream ---- */

static const gchar *
decide_auth (void)
{
  static const gchar *const answers[] = { "235 2.7.0 welcome", "235 2.7.0 welcome", "334 abcd",
                                          "535 5.7.8 who?", "454 4.7.0 later" };
  return answers[below (G_N_ELEMENTS (answers))];
}

static const gchar *
decide (Harness *h, const gchar *event)
{
  static const gchar *const answers[]
      = { "450 4.2.0 later", "550 5.1.1 no",    "421 4.3.2 closing", "close",
          "stall",           "250 2.0.0 yes",   "354 what",          "raw 250 early",
          "raw rubbish",     "554 5.0.0 never", "raw 421 4.0.0 bye" };
  Plan *plan = h->data;
  gboolean end = g_str_equal (event, "END");
  if (g_str_has_prefix (event, "MAIL "))
    {
      g_free (plan->current);
      plan->current = g_strdup (event + strlen ("MAIL "));
    }
  if (!percent (plan->upstream_evil) || plan->current == NULL)
    return g_str_has_prefix (event, "AUTH") ? decide_auth () : NULL;
  const gchar *answer = answers[below (G_N_ELEMENTS (answers))];
  gboolean chunk = g_str_equal (event, "CHUNK");
  if (chunk && !g_str_has_prefix (answer, "raw ") && !g_str_equal (answer, "close"))
    return NULL;
  if (g_str_has_prefix (answer, "raw "))
    g_hash_table_add (plan->unreliable, g_strdup (plan->current));
  if (end && percent (20))
    {
      g_hash_table_add (plan->unreliable, g_strdup (plan->current));
      return "lose";
    }
  return answer;
}

/* ---- Filters ---- */

static void
edit_recipients (IpcRecord *record, const IpcRequest *request)
{
  record->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  for (guint i = 0; i < request->recipients->len; i++)
    if (percent (70))
      g_ptr_array_add (record->recipients, base_path_copy (request->recipients->pdata[i]));
  if (percent (50))
    g_ptr_array_add (record->recipients,
                     base_path_new (percent (80) ? "new@up.test" : "new@other.test", NULL));
}

static void
edit (IpcRecord *record, const IpcRequest *request)
{
  gboolean content
      = request->hook == IPC_HOOK_END_OF_HEADERS || request->hook == IPC_HOOK_END_OF_MESSAGE;
  if (content)
    {
      g_autoptr (GBytes) field = g_bytes_new_static ("X-Filter: yes\r\n", 15);
      record->edits = message_edits_new ();
      message_edits_add (record->edits, 0, 0, field);
    }
  if ((content || request->hook == IPC_HOOK_DATA) && percent (50))
    edit_recipients (record, request);
}

static void
judge (Plan *plan, IpcRecord *record, const IpcRequest *request)
{
  record->verdict = (IpcVerdict) below (IPC_VERDICT_QUARANTINE + 1);
  if (record->verdict == IPC_VERDICT_REPLY || record->verdict == IPC_VERDICT_CLOSE)
    record->reply = percent (50)   ? base_reply_new (550, 5, 7, 1, "not this")
                    : percent (50) ? base_reply_new (250, 2, 0, 0, "filter ok")
                                   : base_reply_new (421, 4, 7, 0, "go away");
  if (record->verdict == IPC_VERDICT_QUARANTINE)
    record->reason = g_strdup ("odd");
}

static gboolean
filter (Harness *h, const IpcRequest *request, guint index, IpcRecord *record)
{
  Plan *plan = h->data;
  const gchar *sender = request->sender != NULL ? request->sender->address : NULL;
  if (request->hook == IPC_HOOK_MESSAGE_OVER && index == 0)
    {
      g_assert_nonnull (sender);
      g_assert_false (g_hash_table_contains (plan->answers, sender)); /* once a transaction */
      g_hash_table_insert (plan->answers, g_strdup (sender), GUINT_TO_POINTER (request->code));
    }
  if (!percent (plan->filter_evil))
    return TRUE;
  switch (below (5))
    {
    case 0:
      return FALSE;
    case 1:
      record->failed = TRUE;
      return TRUE;
    case 2:
      edit (record, request);
      break;
    default:
      judge (plan, record, request);
      break;
    }
  gboolean emptied = record->recipients != NULL && record->recipients->len == 0;
  if (sender != NULL && (record->verdict >= IPC_VERDICT_DISCARD || emptied))
    g_hash_table_add (plan->set_aside, g_strdup (sender));
  return TRUE;
}

/* ---- The client ---- */

static void
add_body (GString *text)
{
  guint lines = percent (5) ? 3000 : below (60);
  g_string_append (text, "Subject: hi\r\n");
  if (percent (90))
    g_string_append (text, "\r\n");
  for (guint i = 0; i < lines; i++)
    g_string_append (text, percent (10) ? ".. dots and more dots\r\n"
                                        : "a line of text that fills the message a little\r\n");
  if (percent (3))
    g_string_append (text, "bare\nnewline\r\n");
  g_string_append (text, ".\r\n");
}

static void
add_command (Plan *plan, GString *text)
{
  static const gchar *const commands[] = { "RCPT TO:<b@up.test>",
                                           "RCPT TO:<c@up.test>",
                                           "RCPT TO:<d@other.test>",
                                           "RCPT TO:<e@box.test>",
                                           "RCPT TO:<f@no.test>",
                                           "RCPT TO:<postmaster>",
                                           "RCPT TO:<b@up.test> NOTIFY=NEVER",
                                           "RSET",
                                           "NOOP",
                                           "EHLO again.test",
                                           "HELO again.test",
                                           "VRFY x",
                                           "HELP",
                                           "RUBBISH",
                                           "STARTTLS",
                                           "DATA",
                                           "MAIL FROM:<x@client.test> BODY=BINARYMIME",
                                           "AUTH PLAIN AGFubmEAc2VjcmV0",
                                           "AUTH LOGIN",
                                           "AUTH PLAIN =",
                                           "AUTH",
                                           "YW5uYQ==",
                                           "*",
                                           "XCLIENT ADDR=192.0.2.1",
                                           "XCLIENT NAME=[UNAVAILABLE] ADDR=x+",
                                           "XFORWARD NAME=a HELO=b",
                                           "XFORWARD",
                                           "LHLO again.test",
                                           "XADD",
                                           "xadd some words",
                                           "XLATE 1",
                                           "BDAT",
                                           "BDAT 9 FIRST",
                                           "BDAT 3\r\nabc",
                                           "BDAT 0 LAST",
                                           "BDAT 4 LAST\r\na\nb",
                                           "QUIT" };
  guint choice = below (G_N_ELEMENTS (commands) + 4);
  if (choice < G_N_ELEMENTS (commands) - (percent (80) ? 1 : 0))
    g_string_append_printf (text, "%s\r\n", commands[choice]);
  else if (choice % 2 == 0)
    g_string_append_printf (text, "MAIL FROM:<t%u@client.test>\r\n", plan->tokens++);
  else
    add_body (text);
}

/* The same by BDAT; now and then it is never ended. */
static void
add_chunks (GString *text)
{
  g_autoptr (GString) body = g_string_new (NULL);
  gsize done = 0;
  add_body (body);
  while (done < body->len)
    {
      gsize size = percent (50) ? body->len - done : below ((guint) (body->len - done) + 1);
      gboolean last = done + size == body->len && percent (70);
      g_string_append_printf (text, "BDAT %" G_GSIZE_FORMAT "%s\r\n", size, last ? " LAST" : "");
      g_string_append_len (text, body->str + done, (gssize) size);
      done += size;
      if (done == body->len && !last && percent (80))
        g_string_append (text, "BDAT 0 LAST\r\n");
      if (percent (3))
        return;
    }
}

static void
add_transaction (Plan *plan, GString *text)
{
  g_string_append_printf (text, "MAIL FROM:<t%u@client.test>\r\n", plan->tokens++);
  for (guint n = 1 + below (3); n > 0; n--)
    g_string_append_printf (text, "RCPT TO:<%c@%s.test>\r\n", 'a' + (gchar) below (4),
                            percent (70)   ? "up"
                            : percent (50) ? "other"
                                           : "box");
  if (percent (40))
    {
      add_chunks (text);
      return;
    }
  g_string_append (text, "DATA\r\n");
  add_body (text);
}

static void
say (Harness *h)
{
  Plan *plan = h->data;
  g_autoptr (GString) text = g_string_new (NULL);
  if (percent (60))
    add_transaction (plan, text);
  for (guint n = below (4); n > 0; n--)
    add_command (plan, text);
  gsize done = 0;
  while (done < text->len && !gateway_session_is_over (h->session))
    {
      gsize piece = percent (50) ? text->len - done : 1 + below ((guint) (text->len - done));
      harness_say_bytes (h, text->str + done, piece);
      done += piece;
    }
}

/* ---- What else happens ---- */

static void
work (Harness *h)
{
  if (h->request == NULL)
    return;
  if (percent (5))
    {
      ipc_request_free (g_steal_pointer (&h->request));
      gateway_session_worker_refused (h->session, "queue");
      harness_move (h);
      return;
    }
  harness_answer_request (h, filter);
  harness_move (h);
}

static void
settle_one (Harness *h)
{
  work (h);
  if (h->takes > 0)
    {
      h->unreachable = percent (20);
      harness_upstream_comes (h);
      h->unreachable = FALSE;
    }
  if (h->job != NULL)
    harness_disk_is_done (h);
  gateway_session_capabilities (h->session, h->capabilities);
  harness_move (h);
}

static void
step (Harness *h)
{
  h->take_later = percent (30);
  h->store_later = percent (50);
  h->queue_full = percent (3);
  h->capabilities_later = percent (20);
  h->slow = percent (3);
  h->filter = percent (80) ? filter : NULL;
  switch (below (12))
    {
    case 0:
      harness_pass_time (h, 1 + below (1000));
      break;
    case 1:
      harness_pass_time (h, 1000 * (1 + below (100)));
      break;
    case 2:
      if (gateway_session_upstream (h->session) != NULL)
        harness_upstream_closes (h);
      break;
    case 3:
      if (percent (5))
        gateway_session_drain (h->session, percent (30));
      break;
    case 4:
    case 5:
    case 6:
      settle_one (h);
      break;
    default:
      say (h);
      break;
    }
  harness_move (h);
}

static void
leave (Harness *h)
{
  h->gone = TRUE;
  if (percent (50))
    gateway_session_client_gone (h->session);
  harness_move (h);
}

/* Nobody says anything any more; the world keeps its own promises. */
static void
wind_up (Harness *h)
{
  h->take_later = h->queue_full = h->store_later = FALSE;
  for (guint i = 0; i < 100 && !gateway_session_is_over (h->session); i++)
    {
      settle_one (h);
      harness_pass_time (h, 60 * 1000);
      if (h->gone)
        gateway_session_client_gone (h->session);
    }
  g_assert_true (gateway_session_is_over (h->session));
}

/* ---- The promises ---- */

static void
check_answer (Harness *h, Plan *plan, const gchar *sender, guint code)
{
  guint accepted = GPOINTER_TO_UINT (g_hash_table_lookup (h->accepted, sender));
  guint stored = GPOINTER_TO_UINT (g_hash_table_lookup (h->stored_from, sender));
  gboolean aside = g_hash_table_contains (plan->set_aside, sender);
  gboolean unreliable = g_hash_table_contains (plan->unreliable, sender);
  if (code / 100 == 2 && !unreliable && accepted + stored == 0 && !aside)
    g_error ("%s heard %u, and is nowhere", sender, code);
  if (code / 100 != 2 && accepted + stored > 0 && !unreliable)
    g_error ("%s heard %u, and is delivered", sender, code);
}

/* Once at the destination at most; whoever heard 250 is there, or was set aside; whoever heard
 * anything else is not, but for an answer that was lost. */
static void
check (Harness *h)
{
  Plan *plan = h->data;
  for (guint i = 0; i < plan->tokens; i++)
    {
      g_autofree gchar *sender = g_strdup_printf ("t%u@client.test", i);
      guint accepted = GPOINTER_TO_UINT (g_hash_table_lookup (h->accepted, sender));
      guint stored = GPOINTER_TO_UINT (g_hash_table_lookup (h->stored_from, sender));
      g_assert_cmpuint (accepted + stored, <=, 1);
      gpointer code = NULL;
      if (g_hash_table_lookup_extended (plan->answers, sender, NULL, &code))
        check_answer (h, plan, sender, GPOINTER_TO_UINT (code));
    }
}

static void
run (guint seed)
{
  const guint32 all = (1u << IPC_N_HOOKS) - 1;
  const guint32 body = IPC_HOOKS_OF_BODY;
  const guint32 hooks[][2]
      = { { all & ~body, all & ~body }, { all, all }, { IPC_HOOK_BIT (IPC_HOOK_MESSAGE_OVER), 0 } };
  guint chain = below (G_N_ELEMENTS (hooks) + 1);
  gboolean empty = chain == G_N_ELEMENTS (hooks);
  Plan plan = { .upstream_evil = percent (50) ? 0 : below (20),
                .filter_evil = percent (50) ? 0 : below (20) };
  plan.answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  plan.set_aside = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  plan.unreliable = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const gchar *const adds[] = { "XADD 6!", "XLATE 2" };
  Harness *h = harness_new_adding (empty ? plain : filtered, empty ? NULL : hooks[chain],
                                   empty ? 0 : 2, IPC_EDIT_HEADERS | IPC_EDIT_RECIPIENTS, adds);
  h->mechanisms = percent (50) ? "PLAIN LOGIN" : NULL;
  h->capabilities.flags |= percent (50) ? SMTP_CAP_CHUNKING : 0;
  h->data = &plan;
  h->filter = filter;
  h->decide = decide;
  harness_move (h);
  harness_say (h, "EHLO client.test\n");
  guint steps = below (STEPS);
  for (guint i = 0; i < steps && !gateway_session_is_over (h->session); i++)
    step (h);
  if (percent (60) && !gateway_session_is_over (h->session))
    leave (h);
  wind_up (h);
  check (h);
  guint made = h->connections;
  guint *given_back = &h->given_back, *dropped = &h->dropped;
  gateway_session_free (g_steal_pointer (&h->session));
  g_assert_cmpuint (made, ==, *given_back + *dropped); /* each lease, exactly once */
  g_assert_cmpuint (h->takes, ==, 0);
  g_assert_null (h->request);
  harness_free (h);
  g_hash_table_unref (plan.answers);
  g_hash_table_unref (plan.set_aside);
  g_hash_table_unref (plan.unreliable);
  g_free (plan.current);
}

static void
test_random_sessions (gconstpointer data)
{
  for (guint i = 0; i < GPOINTER_TO_UINT (data); i++)
    run (i);
}

/* With one argument: that many sessions, for longer hunts. */
int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_ERROR);
  guint seeds = argc > 1 ? (guint) atoi (argv[1]) : SEEDS;
  g_test_add_data_func ("/gateway/random", GUINT_TO_POINTER (seeds), test_random_sessions);
  return g_test_run ();
}
