/* `mailweir try` and `mailweir filters` as programs: exit status and what they print; a filter that
 * crashes or hangs is named, and the next one still runs. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>

#include <json-glib/json-glib.h>

#define MESSAGE                                                                                    \
  "From x@y Mon\nFrom: a@b\nSubject: x\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhi\n"  \
  "--x\nContent-Type: a/b; name=evil.exe\n\nMZ\n--x--\n"

typedef struct
{
  gchar *folder, *config, *message;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *text = NULL;

  fixture->folder = g_dir_make_tmp ("mailweir-try-XXXXXX", NULL);
  fixture->config = g_build_filename (fixture->folder, "try.conf", NULL);
  fixture->message = g_build_filename (fixture->folder, "message.eml", NULL);
  text = g_strdup_printf ("hostname = \"mx.example.org\"\n"
                          "module-directory = \"" TRY_MODULES "\"\n"
                          "route \"r\" { to = [\"discard:\"] }\n"
                          "listener \"l\" { bind = [\"127.0.0.1:2525\"] filters = [\"f\", \"h\"]\n"
                          "  routes = [\"r\"] }\n"
                          "filter \"h\" { module = \"headers\" add = [\"X-A: 1\"]\n"
                          "  remove = [\"Subject\"] }\n"
                          "filter \"f\" { %s }\n",
                          (const gchar *) data);
  g_assert_true (g_file_set_contents (fixture->config, text, -1, NULL));
  g_assert_true (g_file_set_contents (fixture->message, MESSAGE, -1, NULL));
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_remove (fixture->config);
  g_remove (fixture->message);
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
  g_free (fixture->config);
  g_free (fixture->message);
}

/* What it prints; caller frees. */
static gchar *
run (const gchar *const *arguments, gint expected)
{
  g_autoptr (GError) error = NULL;
  gchar *out = NULL;
  gint status;

  g_spawn_sync (NULL, (gchar **) arguments, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out,
                NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  if (WEXITSTATUS (status) != expected)
    g_test_message ("%s", out);
  g_assert_cmpint (WEXITSTATUS (status), ==, expected);
  return out;
}

static gchar *
run_try (Fixture *fixture, gint expected)
{
  const gchar *const arguments[]
      = { TRY_PROGRAM, "try", "-c",   fixture->config, "--from",         "a@b",
          "--to",      "c@d", "--to", "e@f",           fixture->message, NULL };

  return run (arguments, expected);
}

static void
assert_has (const gchar *text, const gchar *part)
{
  if (strstr (text, part) == NULL)
    g_error ("no \"%s\" in: %s", part, text);
}

static void
test_accepted (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = run_try (fixture, 0);

  assert_has (out, "\n@@ -2,1 +1,0 @@\n-Subject: x\n@@ -3,0 +3,1 @@\n+X-A: 1\n");
  assert_has (out, "-Content-Type: a/b; name=evil.exe\n-\n-MZ\n");
  assert_has (out, "note attachments-denied=evil.exe (extension exe)");
  assert_has (out, "\naccepted\n");
}

/* What the gateway mends before it asks: fields behind a line that is none are nobody's. */
static void
test_malformed (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = NULL;

  g_assert_true (
      g_file_set_contents (fixture->message, "To : a@b\nno field\nSubject: x\n\ntext\n", -1, NULL));
  out = run_try (fixture, 0);
  assert_has (out, "@@ -1,1 +1,3 @@\n-To : a@b\n+To: a@b\n+X-A: 1\n+\n");
  g_assert_null (strstr (out, "-Subject: x"));
}

static void
test_malformed_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = NULL;

  g_assert_true (g_file_set_contents (fixture->message, "From: a@b\n: x\n\n", -1, NULL));
  out = run_try (fixture, 1);
  assert_has (out, "refused: 550 5.6.0 Malformed message header\n");
}

/* What is worth no more edits than this is refused, as by the gateway. */
static void
test_malformed_much (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GString) message = g_string_new (NULL);
  g_autofree gchar *out = NULL;
  g_autofree gchar *one_more = NULL;

  for (guint i = 0; i < 1000; i++)
    g_string_append (message, "A : b\n");
  g_string_append (message, "\nbody\n");
  g_assert_true (g_file_set_contents (fixture->message, message->str, -1, NULL));
  out = run_try (fixture, 0);
  g_string_prepend (message, "A : b\n");
  g_assert_true (g_file_set_contents (fixture->message, message->str, -1, NULL));
  one_more = run_try (fixture, 1);
  assert_has (one_more, "refused: 550 5.6.0 Malformed message header\n");
}

/* The footer's edit puts the whole text anew; the diff has only the lines that are others. */
static void
test_diff_of_a_whole_part (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *plain = NULL;
  g_autofree gchar *html = NULL;

  g_assert_true (g_file_set_contents (fixture->message, "From: a@b\n\nfirst\n\nlast\n", -1, NULL));
  plain = run_try (fixture, 0);
  assert_has (plain, "@@ -5,0 +7,2 @@\n+--\n+us\naccepted\n");
  g_assert_true (g_file_set_contents (fixture->message,
                                      "From: a@b\nContent-Type: text/html\n\n<body>\nfirst\n"
                                      "</body>\nlast\n",
                                      -1, NULL));
  html = run_try (fixture, 0);
  assert_has (html, "@@ -5,0 +7,2 @@\n+<div>--<br>\n+us</div>\naccepted\n");
}

#define SIGNED                                                                                     \
  "DKIM-Signature: d=example.org; s=k1; c=relaxed/simple; h=from:subject; b=x\n"                   \
  "DKIM-Signature: d=example.net; s=k2; h=from; l=0; b=x\nFrom: a@b\nSubject: x\n\nhi\n"

/* Each signature of the message, and what of it the edits break. */
static void
test_signatures (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = NULL;

  g_assert_true (g_file_set_contents (fixture->message, SIGNED, -1, NULL));
  out = run_try (fixture, 0);
  assert_has (out, "\nDKIM signature example.org/k1 (relaxed/simple; covers from, subject and the "
                   "body): broken: subject\n");
  assert_has (out,
              "\nDKIM signature example.net/k2 (simple/simple; covers from and 0 octets of the "
              "body): kept\n");
}

static void
test_json (Fixture *fixture, gconstpointer data)
{
  const gchar *const arguments[] = { TRY_PROGRAM, "try", "--json",         "-c", fixture->config,
                                     "--from",    "a@b", fixture->message, NULL };
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree gchar *out = NULL;
  g_autoptr (GError) error = NULL;
  JsonObject *root, *step, *signature;
  JsonArray *steps, *signatures;

  g_assert_true (g_file_set_contents (fixture->message, SIGNED, -1, NULL));
  out = run (arguments, 0);
  json_parser_load_from_data (parser, out, -1, &error);
  g_assert_no_error (error);
  root = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpstr (json_object_get_string_member (root, "outcome"), ==, "accepted");
  g_assert_cmpint (json_object_get_int_member (root, "status"), ==, 0);
  steps = json_object_get_array_member (root, "steps");
  g_assert_cmpuint (json_array_get_length (steps), >=, 2);
  step = json_array_get_object_element (steps, json_array_get_length (steps) - 1);
  g_assert_cmpstr (json_object_get_string_member (step, "filter"), ==, "h");
  g_assert_cmpstr (json_object_get_string_member (step, "verdict"), ==, "pass");
  g_assert_cmpfloat (json_object_get_double_member (step, "milliseconds"), >, 0);
  signatures = json_object_get_array_member (root, "signatures");
  g_assert_cmpuint (json_array_get_length (signatures), ==, 2);
  signature = json_array_get_object_element (signatures, 0);
  g_assert_cmpstr (
      json_array_get_string_element (json_object_get_array_member (signature, "broken"), 0), ==,
      "subject");
  assert_has (json_object_get_string_member (root, "diff"), "+X-A: 1\n");
}

static void
test_no_filters (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = NULL;

  g_assert_true (g_file_set_contents (fixture->config,
                                      "route \"r\" { to = [\"discard:\"] }\n"
                                      "listener \"l\" { bind = [\"127.0.0.1:2525\"]\n"
                                      "  routes = [\"r\"] }\n",
                                      -1, NULL));
  out = run_try (fixture, 0);
  g_assert_cmpstr (out, ==,
                   "listener \"l\" has no filters: nothing looks at the message\naccepted\n");
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = run_try (fixture, 1);

  assert_has (out, "refused: 550 5.7.1 Attachment \"evil.exe\"");
  g_assert_null (strstr (out, "@@"));
}

static void
test_deferred (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = run_try (fixture, 75);

  assert_has (out, "deferred: 451");
}

static void
test_failed (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = run_try (fixture, 75);

  assert_has (out, "end_of_message  f                    failed");
  assert_has (out, "deferred: 451");
}

static void
test_failed_pass (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = run_try (fixture, 0);

  assert_has (out, "failed");
  assert_has (out, "+X-A: 1");
}

static void
test_discarded (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = run_try (fixture, 0);

  assert_has (out, "\ndiscarded: f\n");
}

/* Both recipients are refused one by one, then there is none. */
static void
test_recipients (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = run_try (fixture, 1);

  assert_has (out, "recipient <c@d> is refused\n");
  assert_has (out, "recipient <e@f> is refused\n");
  assert_has (out, "refused: 550 5.1.1 gone");
}

static void
test_bad_configuration (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = run_try (fixture, 78);

  g_assert_cmpstr (out, ==, "");
}

static void
test_usage (void)
{
  const gchar *const none[] = { TRY_PROGRAM, "try", NULL };
  const gchar *const address[] = { TRY_PROGRAM, "try", "--client", "nowhere", "x", NULL };

  g_free (run (none, 64));
  g_free (run (address, 64));
}

static void
test_filters (void)
{
  const gchar *const all[] = { TRY_PROGRAM, "filters", NULL };
  const gchar *const one[] = { TRY_PROGRAM, "filters", "headers", NULL };
  const gchar *const wrong[] = { TRY_PROGRAM, "filters", "no-such", NULL };
  g_autofree gchar *list = run (all, 0);
  g_autofree gchar *options = run (one, 0);
  g_autofree gchar *nothing = run (wrong, 69);

  assert_has (list, "attachments");
  assert_has (list, "trace");
  assert_has (options, "rewrite-sender");
  assert_has (options, "on-failure");
  g_assert_cmpstr (nothing, ==, "");
}

static gchar *
try_listener (Fixture *fixture, const gchar *listener, gint expected)
{
  const gchar *const arguments[]
      = { TRY_PROGRAM, "try",  "-c",  fixture->config, "--listener", listener,         "--from",
          "a@b",       "--to", "c@d", "--to",          "e@f",        fixture->message, NULL };

  return run (arguments, expected);
}

/* A listener's own options for a filter, bound by the module's table. */
static void
test_listeners_own_options (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *before = NULL, *after = NULL, *plain = NULL, *changed = NULL, *bad = NULL;

  g_assert_true (g_file_get_contents (fixture->config, &before, NULL, NULL));
  after = g_strconcat (before,
                       "listener \"k\" { bind = [\"127.0.0.1:2526\"] filters = [\"f\"]\n"
                       "  routes = [\"r\"]\n  filter \"f\" { reply = \"550 5.7.1 other\" }\n}\n",
                       NULL);
  g_assert_true (g_file_set_contents (fixture->config, after, -1, NULL));
  plain = try_listener (fixture, "l", 75);
  assert_has (plain, "deferred: 451 4.7.1 later");
  changed = try_listener (fixture, "k", 1);
  assert_has (changed, "refused: 550 5.7.1 other");
  g_free (after);
  after = g_strconcat (before,
                       "listener \"k\" { bind = [\"127.0.0.1:2526\"] filters = [\"f\"]\n"
                       "  routes = [\"r\"]\n  filter \"f\" { repli = \"550\" }\n}\n",
                       NULL);
  g_assert_true (g_file_set_contents (fixture->config, after, -1, NULL));
  bad = try_listener (fixture, "k", 78);
}

/* A filter that is not concerned is not asked; a recipient that is filtered differently comes
 * separately. */
static void
test_only_if (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *out = run_try (fixture, 0);

  assert_has (out, "recipient <e@f> is filtered differently");
  g_assert_null (strstr (out, "mail            f"));
  assert_has (out, "rcpt            f ");
}

#define ADD(name, options, func)                                                                   \
  g_test_add ("/try/" name, Fixture, options, set_up, func, tear_down)
#define FAULT(how) "module = \"" TRY_FAULT "\" how = \"" how "\""

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("accepted", "module = \"attachments\" deny = [\"exe\"] action = \"strip\"", test_accepted);
  ADD ("refused", "module = \"attachments\" deny = [\"exe\"]", test_refused);
  ADD ("no-filters", "module = \"trace\"", test_no_filters);
  ADD ("signatures", "module = \"trace\"", test_signatures);
  ADD ("malformed", "module = \"attachments\" deny = [\"exe\"]", test_malformed);
  ADD ("malformed-much", "module = \"trace\"", test_malformed_much);
  ADD ("malformed-refused",
       "module = \"attachments\" deny = [\"exe\"] }\n"
       "limits { malformed-header = \"reject\"",
       test_malformed_refused);
  ADD ("diff-of-a-whole-part", "module = \"footer\" text = \"--\\nus\"", test_diff_of_a_whole_part);
  ADD ("json", "module = \"trace\"", test_json);
  ADD ("deferred", "module = \"trace\" reply-at = \"data\" reply = \"451 4.7.1 later\"",
       test_deferred);
  ADD ("discarded", "module = \"trace\" reply-at = \"mail\" verdict = \"discard\"", test_discarded);
  ADD ("recipients", "module = \"trace\" reply-at = \"rcpt\" reply = \"550 5.1.1 gone\"",
       test_recipients);
  ADD ("null", FAULT ("null"), test_failed);
  ADD ("abort", FAULT ("abort"), test_failed);
  ADD ("exit", FAULT ("exit"), test_failed);
  ADD ("nonsense", FAULT ("nonsense"), test_failed);
  ADD ("edit", FAULT ("edit"), test_failed);
  ADD ("loop", FAULT ("loop") " timeout = 1s", test_failed);
  ADD ("pass", FAULT ("abort") " on-failure = \"pass\"", test_failed_pass);
  ADD ("bad-configuration", "module = \"headers\" ad = [\"x\"]", test_bad_configuration);
  g_test_add ("/try/listeners-own-options", Fixture,
              "module = \"trace\" reply-at = \"data\" reply = \"451 4.7.1 later\"", set_up,
              test_listeners_own_options, tear_down);
  ADD ("only-if", "module = \"trace\" only-if = \"recipient c@d\"", test_only_if);
  g_test_add_func ("/try/usage", test_usage);
  g_test_add_func ("/filters/list", test_filters);
  return g_test_run ();
}
