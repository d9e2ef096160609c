/* The filter "header_checks" beside a real Postfix with the same tables: each message goes to both,
 * and answer, recipients and bytes that arrive must be the same. Behind the filter stands a second
 * Postfix without tables, so that what Postfix does to every message is done to both. Skipped where
 * a private Postfix or its PCRE can not run. */
#include "kit.h"

#include <string.h>

#define HEADER_TABLE                                                                               \
  "# a comment\n"                                                                                  \
  "if /^Subject:/\n"                                                                               \
  "/^Subject: refuse$/ REJECT\n"                                                                   \
  "/^Subject: why (\\w+)/ reject no $1 today\n"                                                    \
  "/^Subject: code/ REJECT 5.6.1 with a code\n"                                                    \
  "/^Subject: later/ REJECT 4.2.1 come again\n"                                                    \
  "/^Subject: away/ DISCARD gone\n"                                                                \
  "/^Subject: hold/\n"                                                                             \
  "  HOLD\n"                                                                                       \
  "/^Subject: one (.*) two/ REPLACE Subject: [$1]\n"                                               \
  "/^Subject: pass/ PASS\n"                                                                        \
  "/^Subject: CASE/i REPLACE Subject: was upper\n"                                                 \
  "/^Subject: also/ REDIRECT c@up.test\n"                                                          \
  "/^Subject: blind/ BCC c@up.test\n"                                                              \
  "endif\n"                                                                                        \
  "!/^(X-|[A-W])/ WARN odd\n"                                                                      \
  "/^X-Before: (.*)/ PREPEND X-Put: ${1}$(1)$$\n"                                                  \
  "/^X-Gone:/ IGNORE\n"                                                                            \
  "/^X-Strip:/ STRIP\n"                                                                            \
  "/^X-Fold: a.b$/ REPLACE X-Fold: joined\n"                                                       \
  "/^X-End: refuse/ REJECT at the end\n"                                                           \
  "/^X-Name:/ REPLACE X-Renamed: x\n"
#define MIME_TABLE                                                                                 \
  "/^Content-Type: .*name=\"?[^;]*\\.exe/ REJECT no programs\n"                                    \
  "/^Content-Disposition:(.*)inline/ REPLACE Content-Disposition:${1}attachment\n"                 \
  "/^X-Gone:/ IGNORE\n"
#define NESTED_TABLE "/^Subject: refuse/ REJECT inside\n/^X-Gone/ IGNORE\n"
#define BODY_TABLE                                                                                 \
  "/^refuse this/ REJECT bad body\n"                                                               \
  "/^gone/ IGNORE\n"                                                                               \
  "/^swap \\(.*\\) and \\(.*\\)$/x REPLACE swap $2 and $1\n"                                       \
  "/^before/ PREPEND ahead of it\n"                                                                \
  "/^--b$/!/x/ DUNNO\n"                                                                            \
  "/^yy/ REPLACE zz\n"

typedef struct
{
  const char *reply;    /* that both must give */
  const char *arrivals; /* "b", "c", "bc", "": in whose Maildirs it must be */
  const char *fields;   /* behind From, To, Date and Message-Id */
  const char *body;
} Case;

#define PARTS "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"

static const Case cases[] = {
  { "250", "b", "Subject: plain\n", "text\n" },
  { "550 5.7.1 message content rejected", "", "Subject: refuse\n", "text\n" },
  { "550 5.7.1 no money today", "", "Subject: why money\n", "text\n" },
  { "550 5.6.1 with a code", "", "Subject: code\n", "text\n" },
  { "451 4.2.1 come again", "", "Subject: later\n", "text\n" },
  { "250", "", "Subject: away\nX-End: refuse\n", "text\n" },
  { "250", "", "Subject: hold\n", "text\n" },
  { "550 5.7.1 at the end", "", "Subject: hold\nX-End: refuse\n", "text\n" },
  { "250", "b", "Subject: one and two\nX-Before: y\nX-Gone: 1\n 2\nX-Strip: 3\n", "text\n" },
  { "250", "b", "Subject: pass\nX-End: refuse\nX-Gone: 1\n", "refuse this\n" },
  { "250", "b", "subject: case\nX-Name: 1\nx-name: 2\n", "text\n" },
  { "250", "b", "Subject: CASE\nX-Fold: a\n b\nX-Fold: a\n\tc\nZ: odd\n", "text\n" },
  { "250", "c", "Subject: also\n", "text\n" },
  { "250", "bc", "Subject: blind\n", "text\n" },
  { "550 5.7.1 bad body", "", "Subject: x\n", "fine\nrefuse this\n" },
  { "250", "b", "Subject: x\n", "gone\nswap one and two\nbefore\n\n\n refuse this\n.gone\nyy\n" },
  { "250", "b", "Subject: x\n", "Subject: refuse\n\nX-Gone: 1\n" },
  { "550 5.7.1 no programs", "", PARTS,
    "--b\nContent-Type: application/x;\n name=\"a.exe\"\n\nx\n--b--\n" },
  { "250", "b", PARTS,
    "X-Gone: pre\n--b\nContent-Disposition: inline;\n filename=x\nX-Gone: 1\nSubject: refuse\n\n"
    "X-Gone: 2\ngone\n--b--\nX-Gone: 3\n" },
  { "550 5.7.1 inside", "", PARTS,
    "--b\nContent-Type: message/rfc822\n\nX-Gone: 1\nSubject: refuse\n\nx\n--b--\n" },
  { "250", "b", PARTS,
    "--b\nContent-Type: message/rfc822\n\nX-Gone: 1\nX-Before: 1\nSubject: n\n\nX-Gone: 2\ngone\n"
    "--b\nContent-Type: text/plain\nContent-Disposition: inline\n\nContent-Disposition: inline\n"
    "--b--\n" },
  { "250", "b", "Content-Type: multipart/digest; boundary=\"b b\"; boundary=c\n",
    "--b b\n\nX-Gone: 1\nSubject: n\n\nX-Gone: 2\n--c\n\nX-Gone: 3\n--b b--\n" },
  { "250", "b", "Content-Type: text/plain; name=ok.txt\nContent-Disposition: inline\n", "x\n" },
};

typedef struct
{
  guint direct; /* Postfix with the tables */
  guint through;
  KitPostfix *with;
  KitPostfix *without;
  KitProcess *mailweir;
} Pair;

/* For header, parts, nested headers and body. */
typedef const gchar *Tables[4];

static gchar *
write_tables (const Tables tables)
{
  static const gchar *const names[] = { "header", "mime", "nested", "body" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree gchar *path = kit_path ("table-%s", names[i]);

      kit_write (path, tables[i]);
    }
  return kit_path ("table-");
}

/* The filter's options, in Postfix's own words but for the underscores. */
static gchar *
filter_text (const gchar *tables)
{
  g_autofree gchar *quarantine = kit_path ("quarantine");

  return g_strdup_printf ("quarantine = \"%s\"\n"
                          "filter \"checks\" {\n  module = \"header_checks\"\n"
                          "  header-checks = [\"pcre:%sheader\"]\n"
                          "  mime-header-checks = [\"pcre:%smime\"]\n"
                          "  nested-header-checks = [\"pcre:%snested\"]\n"
                          "  body-checks = [\"regexp:%sbody\"]\n}\n",
                          quarantine, tables, tables, tables, tables);
}

static gchar *
settings_text (const gchar *tables)
{
  return g_strdup_printf ("header_checks = pcre:%sheader\n"
                          "mime_header_checks = pcre:%smime\n"
                          "nested_header_checks = pcre:%snested\n"
                          "body_checks = regexp:%sbody\n"
                          "local_header_rewrite_clients =\n",
                          tables, tables, tables, tables);
}

/* Where Postfix has no PCRE it says so. */
static gboolean
has_pcre (void)
{
  static const gchar *const argv[] = { "postconf", "-m", NULL };
  g_autofree gchar *types = NULL;

  return kit_have ("postconf") && kit_run (argv, &types) == 0 && strstr (types, "pcre\n") != NULL;
}

static gboolean
pair_start (Pair *pair, const Tables tables_text)
{
  const guint behind = kit_port ();
  const gchar *reason = "Postfix has no PCRE here (postfix-pcre)";
  g_autofree gchar *tables = write_tables (tables_text);
  g_autofree gchar *filter = filter_text (tables);
  g_autofree gchar *settings = settings_text (tables);
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", behind);

  g_autofree gchar *number = g_strdup_printf ("%u", behind);
  g_autofree gchar *with = g_strconcat ("with-", number, NULL);
  g_autofree gchar *without = g_strconcat ("without-", number, NULL);

  pair->direct = kit_port ();
  pair->through = kit_port ();
  if (has_pcre ())
    pair->with = kit_postfix (with, pair->direct, settings, NULL, &reason);
  if (pair->with == NULL)
    {
      g_test_skip (reason);
      return FALSE;
    }
  pair->without = kit_postfix (without, behind, "local_header_rewrite_clients =", NULL, &reason);
  pair->mailweir = kit_gateway (pair->through, to, "filters = [\"checks\"]", NULL, filter);
  return TRUE;
}

static gchar *
message_text (guint number)
{
  return g_strdup_printf ("From: a@client.test\nTo: b@up.test\n"
                          "Date: Sat, 1 Jan 2022 00:00:00 +0000\n"
                          "Message-Id: <case-%u@client.test>\n%s\n%s",
                          number, cases[number].fields, cases[number].body);
}

/* What arrived, by "USER case-NUMBER": from the first field that the client sent, or that a table
 * has put there. */
static GHashTable *
collect (const KitPostfix *postfix)
{
  GHashTable *found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (const gchar *user = "bc"; *user != '\0'; user++)
    {
      const gchar name[] = { *user, '\0' };
      g_autofree gchar *folder = kit_postfix_folder (postfix, name);
      g_autoptr (GPtrArray) messages = kit_messages (folder);

      for (guint i = 0; i < messages->len; i++)
        {
          const gchar *text = strstr (messages->pdata[i], "From: a@client.test");
          const gchar *id = strstr (text, "<case-");
          gchar *key = g_strdup_printf ("%s %.*s", name, (gint) strcspn (id, "@"), id);

          g_hash_table_replace (found, key, g_strdup (text));
        }
    }
  return found;
}

static void
wait_arrivals (const KitPostfix *postfix)
{
  for (const gchar *user = "bc"; *user != '\0'; user++)
    {
      const gchar name[] = { *user, '\0' };
      g_autofree gchar *folder = kit_postfix_folder (postfix, name);
      guint count = 0;

      for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
        count += strchr (cases[i].arrivals, *user) != NULL;
      kit_wait_messages (folder, count);
    }
}

static void
compare_replies (const Pair *pair)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree gchar *text = message_text (i);
      g_autofree gchar *direct = kit_deliver (pair->direct, "b@up.test", text);
      g_autofree gchar *through = kit_deliver (pair->through, "b@up.test", text);

      if (!g_str_has_prefix (direct, cases[i].reply) || !g_str_has_prefix (through, cases[i].reply))
        g_error ("case %u: Postfix \"%s\", the filter \"%s\"", i, direct, through);
      if (*direct != '2')
        g_assert_cmpstr (through, ==, direct);
    }
}

static void
compare_arrivals (GHashTable *direct, GHashTable *through)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (const gchar *user = "bc"; *user != '\0'; user++)
      {
        g_autofree gchar *key = g_strdup_printf ("%c <case-%u", *user, i);
        const gchar *one = g_hash_table_lookup (direct, key);
        const gchar *two = g_hash_table_lookup (through, key);

        g_test_message ("%s", key);
        g_assert_cmpint (one != NULL, ==, strchr (cases[i].arrivals, *user) != NULL);
        g_assert_cmpstr (two, ==, one);
      }
}

static void
pair_stop (Pair *pair)
{
  kit_gateway_stop (pair->mailweir);
  kit_postfix_stop (pair->with);
  kit_postfix_stop (pair->without);
}

static void
test_as_postfix (void)
{
  static const Tables tables = { HEADER_TABLE, MIME_TABLE, NESTED_TABLE, BODY_TABLE };
  Pair pair = { 0 };

  if (!pair_start (&pair, tables))
    return;
  compare_replies (&pair);
  wait_arrivals (pair.with);
  wait_arrivals (pair.without);
  g_autoptr (GHashTable) direct = collect (pair.with);
  g_autoptr (GHashTable) through = collect (pair.without);
  compare_arrivals (direct, through);
  kit_wait_log (pair.mailweir, "WARN by ");
  pair_stop (&pair);
}

/* ---- Which table is asked about which line: each line is marked by its table ---- */

#define MULTIPART "Content-Type: multipart/mixed; boundary="

static const gchar *const structures[] = {
  MULTIPART "a\n\npre: x\n--a\nX: 1\n 2\n\nX: 3\n--a--\nX: 4\n",
  MULTIPART "\"a b\" ;x=y\n\n--a b\nX: 1\nno field\nX: 2\n--a bc\nX: 3\n",
  MULTIPART "a; boundary=b\n\n--a\nX: 1\n\n--b\nX: 2\n\n--a\nX: 3\n",
  MULTIPART "b; boundary=a\n\n--a\nX: 1\n\n--b\nX: 2\n\n--a\nX: 3\n",
  MULTIPART "\n\n--\nX: 1\n",
  MULTIPART "\"\"\n\n--x\nX: 1\n",
  MULTIPART "\"a\n\n--a\nX: 1\n",
  MULTIPART "\"a\\\"b\"\n\n--a\"b\nX: 1\n",
  MULTIPART "(c) a (d)\n\n--a\nX: 1\n",
  MULTIPART "a/b\n\n--a\nX: 1\n\n--a/b\nX: 2\n",
  MULTIPART "\n a\n\n--a\nX: 1\n",
  "Content-Type: multipart ; boundary=a\n\n--a\nX: 1\n",
  "Content-Type: multipart/mixed boundary=a\n\n--a\nX: 1\n",
  "Content-Type: \"multipart\"/mixed; boundary=a\n\n--a\nX: 1\n",
  "Content-Type: multipart/mixed; \"boundary\"=a\n\n--a\nX: 1\n",
  "Content-Type: (x (y) \\) ) multipart/mixed;;; BOUNDARY = a ; c=d\n\n--a\nX: 1\n",
  "Content-Type: multipart/mixed; boundary*=a\n\n--a\nX: 1\n",
  "Content-Type: multipart/digest; boundary=a\n\n--a\n\nX: 1\n\nX: 2\n--a\nContent-Type: a/b\n"
  "\nX: 3\n--a--\n",
  "Content-Type: message/rfc822\n\nX: 1\nContent-ID: 2\nMime-Version : 3\n\nX: 4\n",
  "Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nX: 1\n\nX: 2\n",
  "Content-Type: message/partial\n\nX: 1\n",
  "Content-Type: message\n\nX: 1\n",
  "Content-Type: message/rfc822\nContent-Type: text/plain\n\nX: 1\n",
  "Content-Type : message/rfc822\n\nX: 1\n",
  "Content-Type:message/rfc822;\n\nX: 1\n",
  MULTIPART "a\n\n--a\nContent-Type: multipart/x; boundary=b\n\n--b\nX: 1\n\n--a\nX: 2\n\n--b\n"
            "X: 3\n--a--\n--b\nX: 4\n",
  MULTIPART "a\n\n--a\n" MULTIPART "aa\n\n--aa\nX: 1\n\n--a\nX: 2\n--aa--\n\n--a\nX: 3\n",
  MULTIPART "a\n\n--a\nContent-Type: message/rfc822\n\n" MULTIPART "b\n\n--b\nX: 1\n\nx\n--b--\n"
            "--a\nX: 2\n",
  MULTIPART "a\nno field\n--a\nX: 1\n",
  "X: 1\n\n X: 2\n",
  "no field: x\n\n--a\nX: 1\n",
  "X : 1\nX\t: 2\n\nX: 3\n.\n..\n",
  "X: 1\n\xc3\xa9: 2\nX: 3\n\nx\n",
  MULTIPART "a\n\n--a\nX: 1\n\xc3\xa9: 2\nX: 3\n\nx\n--a--\n",
  "X:\nX: \n \n\t\nX: 1\n\n\n\nx\n",
};

static gchar *
numbered (guint number, const gchar *text)
{
  return g_strdup_printf ("From: a@client.test\nTo: b@up.test\n"
                          "Date: Sat, 1 Jan 2022 00:00:00 +0000\n"
                          "Message-Id: <case-%u@client.test>\n%s%s",
                          number, text, g_str_has_suffix (text, "\n") ? "" : "\n");
}

/* Sends it both ways. FALSE: one of the two refuses it for a reason of its own. */
static gboolean
send_both (const Pair *pair, guint number, const gchar *text)
{
  g_autofree gchar *message = numbered (number, text);
  g_autofree gchar *through = kit_deliver (pair->through, "b@up.test", message);

  if (!g_str_has_prefix (through, "250"))
    return FALSE;
  g_autofree gchar *direct = kit_deliver (pair->direct, "b@up.test", message);
  g_assert_true (g_str_has_prefix (direct, "250"));
  return TRUE;
}

static gchar *
long_lines (void)
{
  g_autofree gchar *x = g_strnfill (2048, 'x');
  g_autofree gchar *much = g_strnfill (52000, 'y');

  for (guint i = 999; i < 52000; i += 1000)
    much[i] = '\n';
  return g_strdup_printf ("X: 1\n" MULTIPART "a\n\n%s\n%sz\n%s%s\n--a\n\n%s\nlast\n--a\n\nshort\n",
                          x, x, x, x, much);
}

/* All differences are told, then the test fails. */
static void
compare_lines (GHashTable *direct, GHashTable *through, guint number)
{
  g_autofree gchar *key = g_strdup_printf ("b <case-%u", number);
  const gchar *one = g_hash_table_lookup (direct, key);
  const gchar *two = g_hash_table_lookup (through, key);

  if (one != NULL && g_strcmp0 (one, two) == 0)
    return;
  g_test_message ("Postfix:\n%.1000s\nthe filter:\n%.1000s", one, two);
  g_test_fail ();
}

static const Tables marking = { "/^/ PREPEND X-Mark: header\n", "/^/ PREPEND X-Mark: part\n",
                                "/^/ PREPEND X-Mark: nested\n", "/^/ PREPEND mark\n" };

/* Waits for messages 0 to `count` - 1 on both sides, and compares them. */
static void
compare_marks (const Pair *pair, guint count)
{
  g_autofree gchar *one = kit_postfix_folder (pair->with, "b");
  g_autofree gchar *two = kit_postfix_folder (pair->without, "b");

  kit_wait_messages (one, count);
  kit_wait_messages (two, count);
  g_autoptr (GHashTable) direct = collect (pair->with);
  g_autoptr (GHashTable) through = collect (pair->without);
  g_assert_cmpuint (g_hash_table_size (direct), ==, count);
  for (guint i = 0; i < count; i++)
    compare_lines (direct, through, i);
}

static void
test_lines (void)
{
  Pair pair = { 0 };
  guint count = 0;
  g_autofree gchar *long_text = long_lines ();

  if (!pair_start (&pair, marking))
    return;
  for (; count < G_N_ELEMENTS (structures); count++)
    g_assert_true (send_both (&pair, count, structures[count]));
  g_assert_true (send_both (&pair, count, long_text));
  compare_marks (&pair, count + 1);
  pair_stop (&pair);
}

/* Without what the two read in different ways by intent: bare line breaks. */
static gboolean
is_comparable (const gchar *text)
{
  return strlen (text) < 200000 && strchr (text, '\r') == NULL && !g_str_has_prefix (text, "From ");
}

/* Each file of a folder, and of those in it. */
static void
send_folder (const Pair *pair, const gchar *path, guint *count)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *inside = g_build_filename (path, name, NULL);
      g_autofree gchar *text = NULL;

      if (g_file_test (inside, G_FILE_TEST_IS_DIR))
        send_folder (pair, inside, count);
      else if (g_file_get_contents (inside, &text, NULL, NULL) && is_comparable (text))
        *count += send_both (pair, *count, text);
      if (*count % 100 == 99)
        {
          g_autofree gchar *folder = kit_postfix_folder (pair->without, "b");

          kit_wait_messages (folder, *count);
        }
    }
}

static void
test_corpus (void)
{
  const gchar *corpus = g_getenv ("MAILWEIR_CORPUS");
  Pair pair = { 0 };
  guint count = 0;

  if (corpus == NULL)
    {
      g_test_skip ("MAILWEIR_CORPUS names no folder with messages");
      return;
    }
  if (!pair_start (&pair, marking))
    return;
  send_folder (&pair, corpus, &count);
  g_test_message ("%u messages", count);
  compare_marks (&pair, count);
  pair_stop (&pair);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/header_checks/as-postfix", test_as_postfix);
  g_test_add_func ("/e2e/header_checks/lines", test_lines);
  g_test_add_func ("/e2e/header_checks/corpus", test_corpus);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
