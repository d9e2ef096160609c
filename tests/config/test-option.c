/* Option tables of a module's kind: every type, two tables over one block, defaults, suggestions,
 * and the rules that a listener asks about recipients and clients. */
#include "support.h"

#include <string.h>

typedef struct
{
  gchar *string;
  gchar **list;
  gint64 integer, duration;
  guint64 size;
  gboolean boolean;
  gint choice;
} Own;

static const gchar *const choices[] = { "reject", "strip", "quarantine", NULL };

#define ROW(member, option, kind, ...)                                                             \
  {                                                                                                \
    .name = option, .type = CONFIG_OPTION_##kind, .offset = G_STRUCT_OFFSET (Own, member),         \
    .help = "for the test", __VA_ARGS__                                                            \
  }

static const ConfigOption own_table[] = {
  ROW (string, "string", STRING, .fallback = "a b"),
  ROW (list, "list", STRING_LIST, .fallback = "exe, js"),
  ROW (integer, "integer", INTEGER, .fallback = "-7"),
  ROW (duration, "duration", DURATION, .fallback = "2h"),
  ROW (size, "size", SIZE, .fallback = "3K"),
  ROW (boolean, "boolean", BOOLEAN, .fallback = "yes"),
  ROW (choice, "choice", CHOICE, .fallback = "strip", .choices = choices),
  { NULL },
};

/* Binds the text as one block "filter" by the filter's common table and the one above. Returns the
 * errors; caller frees, and clears `own`. */
static gchar *
bind_text (const gchar *text, const ConfigOption *table, Own *own)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (ConfigBlock) root = NULL;
  ConfigFilter common = { NULL };
  const ConfigOption *const tables[] = { config_section_options ("filter"), table, NULL };
  gpointer const targets[] = { &common, own, NULL };

  config_sources_add (sources, "c", text);
  root = config_tree_parse (sources, "c", errors);
  g_assert_cmpuint (config_errors_count (errors), ==, 0);
  memset (own, 0, sizeof *own);
  g_assert_true (config_options_bind (g_ptr_array_index (root->blocks, 0), tables, targets, errors)
                 == (config_errors_count (errors) == 0));
  config_options_clear (tables[0], &common);
  return config_errors_to_string (errors);
}

static void
test_fallbacks (void)
{
  Own own;
  g_autofree gchar *errors = bind_text ("filter \"f\" { module = \"m\" }", own_table, &own);

  g_assert_cmpstr (errors, ==, "");
  g_assert_cmpstr (own.string, ==, "a b");
  g_assert_cmpuint (g_strv_length (own.list), ==, 2);
  g_assert_cmpstr (own.list[1], ==, "js");
  g_assert_cmpint (own.integer, ==, -7);
  g_assert_cmpint (own.duration, ==, 7200000);
  g_assert_cmpuint (own.size, ==, 3072);
  g_assert_true (own.boolean);
  g_assert_cmpint (own.choice, ==, 1);
  config_options_clear (own_table, &own);
  g_assert_null (own.string);
  g_assert_null (own.list);
}

static void
test_values (void)
{
  Own own;
  g_autofree gchar *errors = bind_text (
      "filter \"f\" { module = \"m\" string = \"\" list = \"one\" integer = 9223372036854775807\n"
      " duration = 0 size = 2G boolean = off choice = quarantine }",
      own_table, &own);

  g_assert_cmpstr (errors, ==, "");
  g_assert_cmpstr (own.string, ==, "");
  g_assert_cmpstr (own.list[0], ==, "one");
  g_assert_cmpstr (own.list[1], ==, NULL);
  g_assert_cmpint (own.integer, ==, G_MAXINT64);
  g_assert_cmpint (own.duration, ==, 0);
  g_assert_cmpuint (own.size, ==, G_GUINT64_CONSTANT (2) << 30);
  g_assert_false (own.boolean);
  g_assert_cmpint (own.choice, ==, 2);
  config_options_clear (own_table, &own);
}

/* Errors leave defaults behind, and an unknown option is compared with both tables. */
static void
test_errors (void)
{
  Own own;
  g_autofree gchar *errors
      = bind_text ("filter \"f\" { module = \"m\" integer = 9223372036854775808\n"
                   " lits = 1\n tiemout = 2s\n choice = \"skip\"\n list = [1] }",
                   own_table, &own);

  g_assert_cmpstr (
      errors, ==,
      "c:2:2: unknown option \"lits\" in filter \"f\"; did you mean \"list\"?\n"
      "c:3:2: unknown option \"tiemout\" in filter \"f\"; did you mean \"timeout\"?\n"
      "c:5:10: option \"list\": expected a string in quotes or a list like [\"a\", \"b\"], found "
      "\"1\"\n"
      "c:1:37: option \"integer\": expected an integer like 100, found "
      "\"9223372036854775808\"\n"
      "c:4:11: option \"choice\": expected \"reject\", \"strip\" or \"quarantine\", "
      "found \"skip\"\n");
  g_assert_cmpint (own.integer, ==, -7);
  g_assert_cmpstr (own.list[0], ==, "exe");
  g_assert_cmpint (own.choice, ==, 1);
  config_options_clear (own_table, &own);
}

static void
test_suggest (void)
{
  static const gchar *const names[] = { "filters", "routes", "bind", "tls", NULL };
  static const gchar *const pairs[][2]
      = { { "filtres", "filters" }, { "filter", "filters" }, { "Routes", "routes" },
          { "bnid", "bind" },       { "tsl", "tls" },        { "rotes", "routes" },
          { "zebra", NULL },        { "x", NULL },           { "", NULL },
          { "bindbindbind", NULL } };
  g_autofree gchar *longest = g_strnfill (1000, 'x');

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    g_assert_cmpstr (config_suggest (pairs[i][0], names), ==, pairs[i][1]);
  g_assert_null (config_suggest (longest, names));
}

/* A module's table with a default that is none is reported, not trusted. */
static void
test_damaged_table (void)
{
  static const ConfigOption damaged[] = {
    ROW (integer, "integer", INTEGER, .fallback = "many"),
    ROW (choice, "choice", CHOICE, .fallback = "none", .choices = choices),
    { NULL },
  };
  Own own;
  g_autofree gchar *errors = bind_text ("filter \"f\" { module = \"m\" }", damaged, &own);

  g_assert_cmpstr (errors, ==,
                   "c:1:1: option \"integer\" of filter \"f\" has a damaged default \"many\"\n"
                   "c:1:1: option \"choice\" of filter \"f\" has a damaged default \"none\"\n");
}

static void
test_print (void)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;

  config_options_print (own_table, &out);
  base_buffer_append (&out, "", 1);
  g_assert_nonnull (strstr ((const gchar *) base_buffer_bytes (&out),
                            "  size                   size, default 3K\n"));
  g_assert_nonnull (strstr ((const gchar *) base_buffer_bytes (&out),
                            "\"reject\", \"strip\" or \"quarantine\", default strip\n"));
}

/* ---- A listener's questions ---- */

static const gchar gateway[]
    = "listener \"l\" { bind = \"0.0.0.0:25\" routes = [\"rest\", \"in\", \"below\"]\n"
      "  relay-from = [\"10.0.0.0/8\", \"::1\"] }\n"
      "route \"in\" { for = [\"example.org\", \"a.example.org\"] to = \"discard:\" }\n"
      "route \"below\" { for = \".example.org\" to = \"discard:\" }\n"
      "route \"rest\" { to = \"discard:\" }\n";

static void
test_route (void)
{
  static const struct
  {
    const gchar *recipient, *route;
    gboolean needs_relay;
  } rows[] = {
    { "a@example.org", "in", FALSE },      { "a@EXAMPLE.org", "in", FALSE },
    { "a@b.example.org", "below", FALSE }, { "a@a.example.org", "in", FALSE },
    { "a@elsewhere.org", "rest", TRUE },   { "a@notexample.org", "rest", TRUE },
    { "postmaster", "in", FALSE },
  };
  g_autoptr (Config) config = load_text (gateway, NULL);

  g_assert_nonnull (config);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      gboolean needs_relay;
      const ConfigRoute *route = config_listener_route (g_ptr_array_index (config->listeners, 0),
                                                        rows[i].recipient, &needs_relay);

      g_assert_nonnull (route);
      g_assert_cmpstr (route->name, ==, rows[i].route);
      g_assert_cmpint (needs_relay, ==, rows[i].needs_relay);
    }
}

/* Without a route that takes the rest, a stranger's domain has none. */
static void
test_no_route (void)
{
  g_autoptr (Config) config
      = load_text ("listener \"l\" { bind = \"0.0.0.0:25\" routes = \"in\" }\n"
                   "route \"in\" { for = \"example.org\" to = \"discard:\" }\n",
                   NULL);
  gboolean needs_relay = FALSE;

  g_assert_nonnull (config);
  g_assert_null (
      config_listener_route (g_ptr_array_index (config->listeners, 0), "a@b.org", &needs_relay));
  g_assert_true (needs_relay);
}

static gboolean
may_relay (const Config *config, const gchar *client)
{
  BaseEndpoint endpoint;

  g_assert_true (base_endpoint_parse (client, &endpoint, NULL));
  return config_listener_may_relay (g_ptr_array_index (config->listeners, 0), &endpoint);
}

static void
test_relay (void)
{
  g_autoptr (Config) config = load_text (gateway, NULL);
  g_autoptr (Config) any
      = load_text ("listener \"l\" { bind = \"0.0.0.0:25\" routes = \"r\" relay = \"any\" }\n"
                   "route \"r\" { to = \"discard:\" }\n",
                   NULL);

  g_assert_true (may_relay (config, "10.1.2.3:1000"));
  g_assert_true (may_relay (config, "[::ffff:10.1.2.3]:1000"));
  g_assert_true (may_relay (config, "[::1]:1000"));
  g_assert_false (may_relay (config, "127.0.0.1:1000"));
  g_assert_false (may_relay (config, "192.0.2.1:1000"));
  g_assert_true (may_relay (any, "192.0.2.1:1000"));
}

gint
main (gint argc, gchar **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/option/fallbacks", test_fallbacks);
  g_test_add_func ("/config/option/values", test_values);
  g_test_add_func ("/config/option/errors", test_errors);
  g_test_add_func ("/config/option/suggest", test_suggest);
  g_test_add_func ("/config/option/damaged-table", test_damaged_table);
  g_test_add_func ("/config/option/print", test_print);
  g_test_add_func ("/config/listener/route", test_route);
  g_test_add_func ("/config/listener/no-route", test_no_route);
  g_test_add_func ("/config/listener/relay", test_relay);
  return g_test_run ();
}
