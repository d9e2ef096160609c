/* From text to a checked Config: the built-in default, every default, links, and every error of
 * meaning with its exact place. */
#include "support.h"

#include <string.h>

/* A configuration that is fine, for one mistake to be put in front of it. */
#define FINE                                                                                       \
  "listener \"l\" { bind = [\"127.0.0.1:1\"] routes = [\"r\"] }\n"                                 \
  "route \"r\" { to = [\"discard:\"] }\n"

typedef struct
{
  const gchar *name, *text, *errors;
} Case;

static const Case cases[] = {
  { "fine", FINE, "" },
  { "unknown-option", "hop = 3\n" FINE,
    "c:1:1: unknown option \"hop\" in the configuration; did you mean \"hops\"?\n" },
  { "unknown-far", "zebra = 3\n" FINE, "c:1:1: unknown option \"zebra\" in the configuration\n" },
  { "unknown-in-listener",
    "listener \"mx\" {\n  bind = [\"127.0.0.1:2\"]\n  filtres = []\n  routes = [\"r\"]\n}\n" FINE,
    "c:3:3: unknown option \"filtres\" in listener \"mx\"; did you mean \"filters\"?\n" },
  { "unknown-block", "listner \"x\" { }\n" FINE,
    "c:1:1: unknown block \"listner\"; did you mean \"listener\"?\n" },
  { "unknown-block-far", "zebra { }\n" FINE, "c:1:1: unknown block \"zebra\"\n" },
  { "inner-block", "filter \"f\" { module = \"m\" inner { } }\n" FINE,
    "c:1:27: filter \"f\" has no blocks, found \"inner\"\n" },
  { "doubled-option", "hops = 3\nhops = 4\n" FINE,
    "c:2:1: option \"hops\" is given twice in the configuration; first at c:1:1\n" },
  { "doubled-in-filter", "filter \"f\" {\n module = \"m\"\n x = 1\n x = 2\n}\n" FINE,
    "c:4:2: option \"x\" is given twice in filter \"f\"; first at c:3:2\n" },
  { "doubled-title", "route \"r\" { to = \"discard:\" }\n" FINE,
    "c:3:1: route \"r\" is given twice; first at c:1:1\n" },
  { "doubled-tls", "tls { certificate = \"a\" }\ntls { certificate = \"b\" }\n" FINE,
    "c:2:1: tls is given twice; first at c:1:1\n" },
  { "doubled-limits", "limits { }\nlimits { }\n" FINE,
    "c:2:1: limits is given twice; first at c:1:1\n" },
  { "no-title", "route { to = \"discard:\" }\n" FINE,
    "c:1:1: block \"route\" needs a title, as in route \"name\" { … }\n" },
  { "title-not-taken", "limits \"x\" { }\n" FINE,
    "c:1:1: block \"limits\" takes no title, found \"x\"\n" },
  { "type-duration", "deadline = \"abc\"\n" FINE,
    "c:1:12: option \"deadline\": expected a duration like 30s, found \"abc\"\n" },
  { "type-duration-unit", "deadline = 30\n" FINE,
    "c:1:12: option \"deadline\": expected a duration like 30s, found \"30\"\n" },
  { "type-size", "message-size = 25m\n" FINE,
    "c:1:16: option \"message-size\": expected a size like 25M, found \"25m\"\n" },
  { "type-size-overflow", "message-size = 99999999999G\n" FINE,
    "c:1:16: option \"message-size\": expected a size like 25M, found \"99999999999G\"\n" },
  { "type-integer", "hops = many\n" FINE,
    "c:1:8: option \"hops\": expected an integer like 100, found \"many\"\n" },
  { "type-integer-string", "hops = \"50\"\n" FINE,
    "c:1:8: option \"hops\": expected an integer like 100, found \"50\"\n" },
  { "type-string", "user = mailweir\n" FINE,
    "c:1:8: option \"user\": expected a string in quotes, found \"mailweir\"\n" },
  { "type-string-list", "user = [\"a\"]\n" FINE,
    "c:1:8: option \"user\": expected a string in quotes, found a list\n" },
  { "type-list", "route \"q\" { to = [\"discard:\", 5] }\n" FINE,
    "c:1:31: option \"to\": expected a string in quotes or a list like [\"a\", \"b\"], found "
    "\"5\"\n" },
  { "type-boolean", "filter \"f\" { module = \"m\" enforce = 1 }\n" FINE,
    "c:1:37: option \"enforce\": expected true or false, found \"1\"\n" },
  { "type-choice", "log-level = \"warn\"\n" FINE,
    "c:1:13: option \"log-level\": expected \"error\", \"warning\", \"notice\", \"info\" or "
    "\"debug\", "
    "found \"warn\"\n" },
  { "type-choice-near", "log-format = \"jsn\"\n" FINE,
    "c:1:14: option \"log-format\": expected \"auto\", \"text\" or \"json\", found \"jsn\"; did "
    "you "
    "mean \"json\"?\n" },
  { "range-low", "hops = 0\n" FINE,
    "c:1:8: option \"hops\": 0 is out of range, which is from 1 to 1000\n" },
  { "range-high", "deadline = 25h\n" FINE,
    "c:1:12: option \"deadline\": 25h is out of range, which is from 1ms to 1d\n" },
  { "range-negative", "threads = -1\n" FINE,
    "c:1:11: option \"threads\": -1 is out of range, which is from 0 to 256\n" },
  { "range-size", "worker-memory = 1M\n" FINE,
    "c:1:17: option \"worker-memory\": 1M is out of range, which is from 64M to 1024G\n" },
  { "missing", "filter \"f\" {\n}\n" FINE,
    "c:1:1: option \"module\" is missing in filter \"f\"\n" },
  { "missing-bind", "listener \"m\" { routes = [\"r\"] }\n" FINE,
    "c:1:1: option \"bind\" is missing in listener \"m\"\n" },
  { "missing-routes", "listener \"m\" { bind = [\"127.0.0.1:2\"] }\n" FINE,
    "c:1:1: option \"routes\" is missing in listener \"m\"\n" },
  { "missing-to", "route \"q\" { }\n" FINE, "c:1:1: option \"to\" is missing in route \"q\"\n" },
  { "missing-certificate", "tls { }\n" FINE, "c:1:1: option \"certificate\" is missing in tls\n" },
  { "no-listener", "hops = 5\n", "c:1:1: no listener: there is nothing to do\n" },
  { "no-file-damage", "listener \"l\" {\n  bind [\"127.0.0.1:1\"]\n  filters = [\"x\"]\n}\n",
    "c:2:8: expected \"=\" or a block's title or \"{\", found \"[\"\n" },
};

static const Case meaning_cases[] = {
  { "unknown-filter",
    "filter \"no-noise\" { module = \"m\" }\n"
    "listener \"m\" {\n  bind = \"127.0.0.1:2\"\n  filters = [\"no-noise\",\n    \"no-nose\"]\n"
    "  routes = \"r\"\n}\n" FINE,
    "c:5:5: unknown filter \"no-nose\" in listener \"m\"; did you mean \"no-noise\"?\n" },
  { "unknown-route", "listener \"m\" { bind = \"127.0.0.1:2\" routes = [\"inside\"] }\n" FINE,
    "c:1:47: unknown route \"inside\" in listener \"m\"\n" },
  { "empty-routes", "listener \"m\" { bind = \"127.0.0.1:2\" routes = [] }\n" FINE,
    "c:1:46: \"routes\" of listener \"m\" is empty\n" },
  { "empty-bind", "listener \"m\" { bind = [] routes = \"r\" }\n" FINE,
    "c:1:23: \"bind\" of listener \"m\" is empty\n" },
  { "empty-to", "route \"q\" { to = [] }\n" FINE, "c:1:18: \"to\" of route \"q\" is empty\n" },
  { "empty-for", "route \"q\" { to = \"discard:\" for = [] }\n" FINE,
    "c:1:35: \"for\" of route \"q\" is empty\n" },
  { "listed-twice", "listener \"m\" { bind = \"127.0.0.1:2\" routes = [\"r\", \"r\"] }\n" FINE,
    "c:1:52: route \"r\" is listed twice\n" },
  { "bad-bind",
    "listener \"m\" { bind = [\"127.0.0.1:2\", \"localhost:25\"] routes = \"r\" }\n" FINE,
    "c:1:39: option \"bind\": not an IP address: \"localhost:25\"\n" },
  { "bound-twice", "listener \"m\" { bind = \"127.0.0.1:1\" routes = \"r\" }\n" FINE,
    "c:2:23: listener \"l\" binds 127.0.0.1:1, which is bound already\n" },
  { "bad-network",
    "listener \"m\" { bind = \"127.0.0.1:2\" routes = \"r\" relay-from = [\"10.0.0.1/8\"] }\n" FINE,
    "c:1:64: option \"relay-from\": bits behind the network prefix are set: \"10.0.0.1/8\"\n" },
  { "tls-without-block",
    "listener \"m\" { bind = \"127.0.0.1:2\" routes = \"r\" tls = \"starttls\" }\n" FINE,
    "c:1:56: listener \"m\" speaks TLS, but there is no block \"tls\"\n" },
  { "implicit-without-block",
    "listener \"m\" { bind = \"127.0.0.1:2\" routes = \"r\" tls = \"implicit\" }\n" FINE,
    "c:1:56: listener \"m\" speaks TLS, but there is no block \"tls\"\n" },
  { "require-tls-off",
    "listener \"m\" { bind = \"127.0.0.1:2\" routes = \"r\" require-tls = yes }\n" FINE,
    "c:1:64: \"require-tls\" of listener \"m\", whose tls is \"off\"\n" },
  { "timeout-over-deadline", "filter \"f\" { module = \"m\" timeout = 3m }\n" FINE,
    "c:1:37: timeout 3m of filter \"f\" is longer than the deadline 2m\n" },
  { "workers", "workers-max = 3\nworkers-min = 4\n" FINE,
    "c:2:15: workers-min 4 is more than workers-max 3\n" },
  { "workers-default", "workers-max = 1\n" FINE,
    "c:1:15: workers-min 2 is more than workers-max 1\n" },
  { "equal-for",
    "listener \"m\" { bind = \"127.0.0.1:2\" routes = [\"a\", \"b\"] }\n"
    "route \"a\" { for = \"example.org\" to = \"discard:\" }\n"
    "route \"b\" { for = [\"x.org\", \"Example.ORG.\"] to = \"discard:\" }\n" FINE,
    "c:1:46: routes \"a\" and \"b\" of listener \"m\" both claim \"Example.ORG.\"\n" },
  { "two-without-for",
    "listener \"m\" { bind = \"127.0.0.1:2\" routes = [\"a\", \"b\"] }\n"
    "route \"a\" { to = \"discard:\" }\nroute \"b\" { to = \"discard:\" }\n" FINE,
    "c:1:46: routes \"a\" and \"b\" of listener \"m\" both lack `for`\n" },
  { "bad-for", "route \"q\" { for = [\"a.org\", \"*.b.org\"] to = \"discard:\" }\n" FINE,
    "c:1:29: option \"for\": \"*.b.org\" is neither a domain nor \".domain\"\n" },
  { "bad-scheme", "route \"q\" { to = \"http://x\" }\n" FINE,
    "c:1:18: expected smtp://host:port, smtps://host:port, lmtp://host:port, lmtp:/path, "
    "mx:, maildir:/path or discard:, found \"http://x\"\n" },
  { "lmtp-relative", "route \"q\" { to = \"lmtp:run/lmtp\" }\n" FINE,
    "c:1:18: \"lmtp:run/lmtp\": expected lmtp://host:port or lmtp: and the absolute path of a "
    "socket\n" },
  { "lmtp-mixed", "route \"q\" { to = [\"lmtp://a\", \"smtp://b\"] }\n" FINE,
    "c:1:18: route \"q\": \"lmtp://a\" and \"smtp://b\" can not share a list: one speaks LMTP\n" },
  { "lmtp-socket-tls", "route \"q\" { to = [\"lmtp://a\", \"lmtp:/b\"] tls = \"required\" }\n" FINE,
    "c:1:48: there is no TLS on the UNIX socket \"lmtp:/b\"\n" },
  { "lmtp-port-25",
    "listener \"m\" { bind = \"127.0.0.1:25\" protocol = \"lmtp\" routes = \"r\" }\n" FINE,
    "c:1:23: listener \"m\" speaks LMTP, which must not use port 25 (RFC 2033)\n" },
#ifdef MAILWEIR_UNBOUND
  { "mx-port", "route \"q\" { to = [\"mx:65536\"] }\n" FINE,
    "c:1:19: \"mx:65536\": only a port may follow \"mx:\"\n" },
  { "mx-host", "route \"q\" { to = [\"mx:+25\"] }\n" FINE,
    "c:1:19: \"mx:+25\": only a port may follow \"mx:\"\n" },
  { "mx-list", "route \"q\" { to = [\"smtp://a\", \"mx:\"] }\n" FINE,
    "c:1:18: route \"q\": \"mx:\" can not share a list with other destinations; only hosts can\n" },
#else
  { "mx", "route \"q\" { to = [\"mx:\"] }\n" FINE,
    "c:1:19: \"mx:\": this Mailweir was built without libunbound, which looks the mail hosts "
    "up\n" },
#endif
  { "resolver", "resolver = [\"127.0.0.1@53\", \"::1\", \"dns.test\"]\n" FINE,
    "c:1:36: option \"resolver\": \"dns.test\" is neither an address nor address@port\n" },
  { "resolver-port", "resolver = \"127.0.0.1@65536\"\n" FINE,
    "c:1:12: option \"resolver\": \"127.0.0.1@65536\" is neither an address nor address@port\n" },
  { "resolver-network", "resolver = \"10.0.0.0/8\"\n" FINE,
    "c:1:12: option \"resolver\": \"10.0.0.0/8\" is neither an address nor address@port\n" },
  { "bad-port", "route \"q\" { to = \"smtp://a:0\" }\n" FINE,
    "c:1:18: \"smtp://a:0\": not a port: \"a:0\"\n" },
  { "no-host", "route \"q\" { to = \"smtp://:25\" }\n" FINE,
    "c:1:18: \"smtp://:25\": not a host name: \":25\"\n" },
  { "url-path", "route \"q\" { to = \"smtp://a/b\" }\n" FINE,
    "c:1:18: \"smtp://a/b\": only a host and a port may follow \"//\"\n" },
  { "url-user", "route \"q\" { to = \"smtp://u@a\" }\n" FINE,
    "c:1:18: \"smtp://u@a\": only a host and a port may follow \"//\"\n" },
  { "maildir-empty", "route \"q\" { to = \"maildir:\" }\n" FINE,
    "c:1:18: \"maildir:\": the path of the Maildir is missing\n" },
  { "discard-more", "route \"q\" { to = \"discard:x\" }\n" FINE,
    "c:1:18: \"discard:x\": nothing may follow \"discard:\"\n" },
  { "mixed", "route \"q\" { to = [\"smtp://a\", \"maildir:/m\"] }\n" FINE,
    "c:1:18: route \"q\": \"maildir:/m\" can not share a list with other destinations; only hosts "
    "can\n" },
  { "key-alone", "route \"q\" { to = \"smtp://a\" tls-key = \"k\" }\n" FINE,
    "c:1:39: \"tls-key\" without \"tls-certificate\"\n" },
  { "smtps-off", "route \"q\" { to = \"smtps://a\" tls = \"off\" }\n" FINE,
    "c:1:36: tls = \"off\" contradicts \"smtps://a\"\n" },
  { "empty-path", "tls { certificate = \"\" }\n" FINE, "c:1:21: \"certificate\" is empty\n" },
  { "tls-title", "tls \"a b\" { certificate = \"x\" }\n" FINE,
    "c:1:1: title \"a b\" is no host name\n" },
  { "hostname", "hostname = \"a b\"\n" FINE, "c:1:12: \"a b\" is no host name\n" },
  { "quarantine-url", "quarantine = \"maildir:/q\"\n" FINE,
    "c:1:14: \"quarantine\" is a folder's path, without \"maildir:\"\n" },
  { "status-relative", "status-socket = \"run/x\"\n" FINE,
    "c:1:17: \"status-socket\" is no absolute path: \"run/x\"\n" },
};

#define PUBLIC(more) "listener \"m\" { bind = \"0.0.0.0:25\" routes = [\"r\"] " more " }\n"
#define CLOSED_ERROR                                                                               \
  "c:1:1: listener \"m\" is open beyond loopback and none of its routes has `for`: say whose "     \
  "mail it takes with `for` in a route or `relay-from` here, or relay = \"any\" for everybody's\n"

#define FORWARD "route \"r\" { to = \"smtp://h:25\" }\n"
#define CERTIFIED "tls { certificate = \"c.pem\" }\n"

static const Case auth_cases[] = {
  { "auth-public", PUBLIC ("tls = \"starttls\" auth = \"tls\"") CERTIFIED FORWARD, "" },
  { "auth-always", PUBLIC ("auth = \"always\"") FORWARD, "" },
  { "auth-off", PUBLIC ("auth = \"off\"") FORWARD, CLOSED_ERROR },
  { "auth-without-tls", PUBLIC ("auth = \"tls\"") FORWARD,
    "c:1:58: listener \"m\" has auth = \"tls\" and no tls: AUTH would never be offered\n" },
  { "auth-without-server", PUBLIC ("auth = \"always\"") FINE,
    "c:1:58: listener \"m\" has auth, and no route to a server that knows users\n" },
  { "auth-where-we-log-in",
    PUBLIC (
        "auth = \"always\"") "route \"r\" { to = \"smtp://h:25\" user = \"u\" password = \"p\" }\n",
    "c:1:58: listener \"m\" has auth, and no route to a server that knows users\n" },
};

#define LOGIN(more) "route \"q\" { to = \"smtp://a\" " more " }\n" FINE

static const Case login_cases[] = {
  { "password", LOGIN ("user = \"u\" password = \"p\""), "" },
  { "password-file", LOGIN ("user = \"u\" password-file = \"/p\" login-without-tls = yes"), "" },
  { "user-alone", LOGIN ("user = \"u\""),
    "c:1:36: \"user\" without \"password\" or \"password-file\"\n" },
  { "password-alone", LOGIN ("password = \"p\""), "c:1:40: \"password\" without \"user\"\n" },
  { "password-file-alone", LOGIN ("password-file = \"p\""),
    "c:1:45: \"password-file\" without \"user\"\n" },
  { "password-twice", LOGIN ("user = \"u\" password = \"p\" password-file = \"f\""),
    "c:1:51: \"password\" and \"password-file\": one of them is enough\n" },
  { "user-empty", LOGIN ("user = \"\" password = \"p\""), "c:1:36: \"user\" is empty\n" },
  { "password-empty", LOGIN ("user = \"u\" password = \"\""), "c:1:51: \"password\" is empty\n" },
  { "user-xclient", LOGIN ("user = \"u\" password = \"p\" xclient = yes"),
    "c:1:36: route \"q\" can not have both \"user\" and \"xclient\": XCLIENT ends a login\n" },
  { "user-nowhere", "route \"q\" { to = \"maildir:/m\" user = \"u\" password = \"p\" }\n" FINE,
    "c:1:38: route \"q\" leads to no server that one could log in to\n" },
};

static const Case relay_cases[] = {
  { "public", PUBLIC ("") FINE, CLOSED_ERROR },
  { "public-v6", "listener \"m\" { bind = [\"[::1]:25\", \"[::]:25\"] routes = [\"r\"] }\n" FINE,
    CLOSED_ERROR },
  { "public-any", PUBLIC ("relay = \"any\"") FINE, "" },
  { "public-relay-from", PUBLIC ("relay-from = [\"10.0.0.0/8\"]") FINE, "" },
  { "loopback", "listener \"m\" { bind = [\"[::1]:25\", \"/run/s\"] routes = [\"r\"] }\n" FINE,
    "" },
  { "public-for",
    "listener \"m\" { bind = \"0.0.0.0:25\" routes = [\"in\", \"r\"] }\n"
    "route \"in\" { for = \"a.org\" to = \"discard:\" }\n" FINE,
    "" },
  { "public-everybody", PUBLIC ("relay-from = [\"10.0.0.0/8\", \"::/0\"]") FINE,
    "c:1:64: listener \"m\" would be an open relay: its relay-from holds everybody; say relay = "
    "\"any\" if that is meant\n" },
  { "public-star",
    "listener \"m\" { bind = \"0.0.0.0:25\" routes = [\"in\"] }\n"
    "route \"in\" { for = \"*\" to = \"discard:\" }\n" FINE,
    "c:1:45: listener \"m\" would be an open relay: route \"in\" claims \"*\"; say relay = \"any\" "
    "if that is meant\n" },
  { "loopback-star",
    "listener \"m\" { bind = \"127.0.0.1:25\" routes = [\"in\"] }\n"
    "route \"in\" { for = \"*\" to = \"discard:\" }\n" FINE,
    "" },
};

static void
test_case (gconstpointer data)
{
  const Case *row = data;
  g_autofree gchar *errors = errors_of (row->text);

  g_assert_cmpstr (errors, ==, row->errors);
}

/* Grammar, binding, links and checks report together, in the order of the file. */
static void
test_all_at_once (void)
{
  g_autofree gchar *errors = errors_of ("hops = x\n"
                                        "route \"q\" { to = \"maildir:\" }\n"
                                        "filter \"f\" { module = 1 timeout = 5m }\n"
                                        "listener \"m\" { bind = \"127.0.0.1:2\" routes = \"p\" }\n"
                                        "workers-max = 1\n");

  g_assert_cmpstr (errors, ==,
                   "c:1:8: option \"hops\": expected an integer like 100, found \"x\"\n"
                   "c:2:18: \"maildir:\": the path of the Maildir is missing\n"
                   "c:3:23: option \"module\": expected a string in quotes, found \"1\"\n"
                   "c:3:35: timeout 5m of filter \"f\" is longer than the deadline 2m\n"
                   "c:4:46: unknown route \"p\" in listener \"m\"; did you mean \"q\"?\n"
                   "c:5:15: workers-min 2 is more than workers-max 1\n");
}

static void
test_missing_file (void)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Config) config = config_load (sources, "/no/such/mailweir.conf", errors);

  g_assert_null (config);
  g_assert_cmpuint (config_errors_count (errors), ==, 1);
  g_assert_cmpstr (config_errors_nth (errors, 0), ==,
                   "/no/such/mailweir.conf:1:1: cannot read \"/no/such/mailweir.conf\": No such "
                   "file or directory");
}

static void
test_built_in (void)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Config) config = config_load (sources, NULL, errors);
  const ConfigListener *listener;

  g_assert_nonnull (config);
  g_assert_cmpuint (config->listeners->len, ==, 1);
  listener = g_ptr_array_index (config->listeners, 0);
  g_assert_cmpstr (listener->bind[0], ==, "127.0.0.1:2525");
  g_assert_cmpuint (listener->n_filters, ==, 0);
  g_assert_cmpuint (listener->n_routes, ==, 1);
  g_assert_cmpint (listener->routes[0]->destinations[0].kind, ==, CONFIG_DESTINATION_MAILDIR);
  g_assert_cmpstr (listener->routes[0]->destinations[0].path, ==, "./mail");
}

static void
test_defaults_global (void)
{
  g_autoptr (Config) config = load_text (FINE, NULL);

  g_assert_nonnull (config);
  g_assert_cmpstr (config->hostname, !=, NULL);
  g_assert_cmpstr (config->user, ==, NULL);
  g_assert_cmpuint (config->message_size, ==, 50 << 20);
  g_assert_cmpint (config->recipients, ==, 1000);
  g_assert_cmpint (config->deadline, ==, 120000);
  g_assert_cmpint (config->threads, ==, 0);
  g_assert_cmpint (config->workers_min, ==, 2);
  g_assert_cmpint (config->workers_max, ==, 32);
  g_assert_cmpint (config->worker_queue, ==, 1000);
  g_assert_cmpuint (config->worker_memory, ==, 1 << 30);
  g_assert_cmpint (config->drain, ==, 900000);
  g_assert_cmpint (config->hops, ==, 50);
  g_assert_cmpstr (config->spool_directory, ==, "/var/tmp");
  g_assert_cmpuint (config->spool_memory, ==, 256 << 10);
  g_assert_cmpint (config->log_level, ==, 3);
  g_assert_cmpint (config->quarantine_reply, ==, CONFIG_QUARANTINE_ACCEPT);
}

static void
test_defaults_limits (void)
{
  g_autoptr (Config) none = load_text (FINE, NULL);
  g_autoptr (Config) some = load_text ("limits { depth = 7 over-limit = \"pass\"\n"
                                       "malformed-header = \"reject\" }\n" FINE,
                                       NULL);

  g_assert_nonnull (none);
  g_assert_cmpuint (none->limit_header_block, ==, 1 << 20);
  g_assert_cmpuint (none->limit_header_field, ==, 64 << 10);
  g_assert_cmpint (none->limit_header_fields, ==, 1000);
  g_assert_cmpuint (none->limit_address_field, ==, 32 << 10);
  g_assert_cmpint (none->limit_address_colons, ==, 100);
  g_assert_cmpint (none->limit_depth, ==, 100);
  g_assert_cmpint (none->limit_parts, ==, 10000);
  g_assert_cmpint (none->over_limit, ==, CONFIG_OVER_LIMIT_REJECT);
  g_assert_cmpint (none->malformed_header, ==, CONFIG_MALFORMED_HEADER_MEND);
  g_assert_cmpint (some->malformed_header, ==, CONFIG_MALFORMED_HEADER_REJECT);
  g_assert_cmpint (some->limit_depth, ==, 7);
  g_assert_cmpint (some->limit_parts, ==, 10000);
  g_assert_cmpint (some->over_limit, ==, CONFIG_OVER_LIMIT_PASS);
}

static void
test_defaults_sections (void)
{
  g_autoptr (Config) config = load_text ("filter \"f\" { module = \"m\" own = 3 }\n" FINE, NULL);
  const ConfigListener *listener = g_ptr_array_index (config->listeners, 0);
  const ConfigRoute *route = g_ptr_array_index (config->routes, 0);
  const ConfigFilter *filter = g_ptr_array_index (config->filters, 0);

  g_assert_cmpint (listener->tls, ==, CONFIG_TLS_OFF);
  g_assert_cmpint (listener->idle, ==, 300000);
  g_assert_cmpint (listener->connections, ==, 1000);
  g_assert_cmpint (listener->connections_per_client, ==, 100);
  g_assert_cmpint (listener->messages_per_minute, ==, 0);
  g_assert_cmpint (listener->bad_commands, ==, 20);
  g_assert_cmpint (listener->newlines, ==, CONFIG_NEWLINES_REFUSE);
  g_assert_cmpuint (listener->n_relay_networks, ==, 2);
  g_assert_cmpint (route->tls, ==, CONFIG_UPSTREAM_TLS_OPPORTUNISTIC);
  g_assert_cmpint (route->connect, ==, 10000);
  g_assert_cmpint (route->reply, ==, 60000);
  g_assert_cmpint (route->final_reply, ==, 600000);
  g_assert_cmpint (route->connections, ==, 50);
  g_assert_cmpint (route->keep, ==, 30000);
  g_assert_cmpint (filter->timeout, ==, 30000);
  g_assert_cmpint (filter->on_failure, ==, CONFIG_ON_FAILURE_TEMPFAIL);
  g_assert_true (filter->enforce);
}

/* A filter's own timeout must fit into the deadline; the default one is made to. */
static void
test_default_timeout (void)
{
  g_autoptr (Config) config
      = load_text ("deadline = 10s\nfilter \"f\" { module = \"m\" }\n" FINE, NULL);
  const ConfigFilter *filter;

  g_assert_nonnull (config);
  filter = g_ptr_array_index (config->filters, 0);
  g_assert_cmpint (filter->timeout, ==, 10000);
}

static void
test_destinations (void)
{
  g_autoptr (Config) config = load_text (
      "route \"q\" { to = [\"smtp://a\", \"SMTPS://b.org\", \"smtp://[::1]:26\"] }\n" FINE, NULL);
  const ConfigRoute *route;

  g_assert_nonnull (config);
  route = g_ptr_array_index (config->routes, 0);
  g_assert_cmpuint (route->n_destinations, ==, 3);
  g_assert_cmpstr (route->destinations[0].host, ==, "a");
  g_assert_cmpuint (route->destinations[0].port, ==, 25);
  g_assert_cmpint (route->destinations[1].kind, ==, CONFIG_DESTINATION_SMTPS);
  g_assert_cmpuint (route->destinations[1].port, ==, 465);
  g_assert_cmpstr (route->destinations[1].text, ==, "SMTPS://b.org");
  g_assert_cmpstr (route->destinations[2].host, ==, "::1");
  g_assert_cmpuint (route->destinations[2].port, ==, 26);
  g_assert_false (config_route_is_lmtp (route));
}

/* The longest path that a socket may have, and one octet more. */
static void
test_lmtp_destinations (void)
{
  g_autofree gchar *name = g_strnfill (sizeof ((struct sockaddr_un *) NULL)->sun_path - 6, 'a');
  g_autofree gchar *fits
      = g_strdup_printf ("route \"q\" { to = [\"lmtp://a\", \"LMTP:/run/%s\"] }\n" FINE, name);
  g_autofree gchar *longer
      = g_strdup_printf ("route \"q\" { to = \"lmtp:/run/%sa\" }\n" FINE, name);
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Config) config = load_text (fits, NULL);
  g_autofree gchar *why = NULL;
  const ConfigRoute *route;

  g_assert_nonnull (config);
  route = g_ptr_array_index (config->routes, 0);
  g_assert_true (config_route_is_lmtp (route));
  g_assert_cmpuint (route->destinations[0].port, ==, 24);
  g_assert_null (route->destinations[0].path);
  g_assert_null (route->destinations[1].host);
  g_assert_true (g_str_has_suffix (route->destinations[1].path, name));
  g_assert_null (load_text (longer, errors));
  why = config_errors_to_string (errors);
  g_assert_nonnull (strstr (why, "path of a socket is too long"));
}

static void
add_cases (const gchar *folder, const Case *rows, guint count)
{
  for (guint i = 0; i < count; i++)
    {
      g_autofree gchar *path = g_strdup_printf ("/config/%s/%s", folder, rows[i].name);

      g_test_add_data_func (path, &rows[i], test_case);
    }
}

gint
main (gint argc, gchar **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_cases ("load", cases, G_N_ELEMENTS (cases));
  add_cases ("meaning", meaning_cases, G_N_ELEMENTS (meaning_cases));
  add_cases ("auth", auth_cases, G_N_ELEMENTS (auth_cases));
  add_cases ("login", login_cases, G_N_ELEMENTS (login_cases));
  add_cases ("relay", relay_cases, G_N_ELEMENTS (relay_cases));
  g_test_add_func ("/config/load/all-at-once", test_all_at_once);
  g_test_add_func ("/config/load/missing-file", test_missing_file);
  g_test_add_func ("/config/load/built-in", test_built_in);
  g_test_add_func ("/config/defaults/global", test_defaults_global);
  g_test_add_func ("/config/defaults/limits", test_defaults_limits);
  g_test_add_func ("/config/defaults/sections", test_defaults_sections);
  g_test_add_func ("/config/defaults/timeout", test_default_timeout);
  g_test_add_func ("/config/load/destinations", test_destinations);
  g_test_add_func ("/config/load/lmtp-destinations", test_lmtp_destinations);
  return g_test_run ();
}
