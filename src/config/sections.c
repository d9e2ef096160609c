/* What each section may say: one table a section, one row an option. The defaults stand here and
 * nowhere else; docs/configuration.md tells why they are what they are. */
#include "config/config.h"

#include <string.h>

#define OPTION(struct_type, member, option, option_type, ...)                                      \
  {                                                                                                \
    .name = option, .type = CONFIG_OPTION_##option_type,                                           \
    .offset = G_STRUCT_OFFSET (struct_type, member), __VA_ARGS__                                   \
  }

#define SECOND ((gint64) 1000)
#define DAY (86400 * SECOND)
#define KILO ((gint64) 1024)
#define MEGA (1024 * KILO)
#define GIGA (1024 * MEGA)
/* No wait is meant to be longer, and sums of a few stay far from overflow. */
#define RANGE_WAIT .minimum = 1, .maximum = DAY
#define RANGE_COUNT .minimum = 0, .maximum = 1000000

/* In the order of the enums in config.h. */
static const gchar *const listener_tls[] = { "off", "starttls", "implicit", NULL };
static const gchar *const listener_protocols[] = { "smtp", "lmtp", NULL };
static const gchar *const auth[] = { "off", "tls", "always", NULL };
static const gchar *const upstream_tls[] = { "off", "opportunistic", "required", "verified", NULL };
static const gchar *const on_failure[] = { "tempfail", "pass", "reject", NULL };
static const gchar *const proxy[] = { "off", "v1", "v2", NULL };
static const gchar *const relay[] = { "listed", "any", NULL };
static const gchar *const over_limit[] = { "reject", "pass", NULL };
static const gchar *const malformed_header[] = { "mend", "reject", NULL };
static const gchar *const newlines[] = { "refuse", "normalize", NULL };
static const gchar *const quarantine_reply[] = { "accept", "reject", NULL };
static const gchar *const protocols[] = { "1.2", "1.3", NULL };
static const gchar *const log_formats[] = { "auto", "text", "json", NULL };
static const gchar *const log_levels[] = { "error", "warning", "notice", "info", "debug", NULL };

#define GLOBAL(member, option, type, ...) OPTION (Config, member, option, type, __VA_ARGS__)

static const ConfigOption root_options[]
    = { GLOBAL (hostname, "hostname", STRING,
                .help
                = "our name in the greeting, in EHLO and in Received; the system's by default"),
        GLOBAL (user, "user", STRING, .help = "whom to become once the ports are bound"),
        GLOBAL (message_size, "message-size", SIZE, .fallback = "50M", .minimum = KILO,
                .maximum = 2 * GIGA, .help = "octets of the largest message that is taken"),
        GLOBAL (recipients, "recipients", INTEGER, .fallback = "1000", .minimum = 1,
                .maximum = 50000, .help = "in one transaction; one more hears 452"),
        GLOBAL (deadline, "deadline", DURATION, .fallback = "2m", RANGE_WAIT,
                .help = "from the client's final dot to our own: filters and upstream together"),
        GLOBAL (threads, "threads", INTEGER, .fallback = "0", .minimum = 0, .maximum = 256,
                .help = "event loops; 0 is one for every two cores, since workers and the kernel "
                        "need the others"),
        GLOBAL (workers_min, "workers-min", INTEGER, .fallback = "2", .minimum = 1, .maximum = 1000,
                .help = "worker processes that are always there"),
        GLOBAL (workers_max, "workers-max", INTEGER, .fallback = "32", .minimum = 1,
                .maximum = 1000, .help = "worker processes under load"),
        GLOBAL (worker_queue, "worker-queue", INTEGER, .fallback = "1000", RANGE_COUNT,
                .help = "requests that may wait for a worker; one more is answered 451"),
        GLOBAL (worker_memory, "worker-memory", SIZE, .fallback = "1G", .minimum = 64 * MEGA,
                .maximum = 1024 * GIGA, .help = "address space of one worker"),
        GLOBAL (drain, "drain", DURATION, .fallback = "15m", RANGE_WAIT,
                .help = "how long open transactions may go on after a reload or a stop"),
        GLOBAL (hops, "hops", INTEGER, .fallback = "50", .minimum = 1, .maximum = 1000,
                .help = "Received fields in a message; more are a loop, 554 5.4.6"),
        GLOBAL (resolver, "resolver", STRING_LIST,
                .help = "name servers that mx: routes ask, as \"192.0.2.53\" or "
                        "\"192.0.2.53@5353\"; those of /etc/resolv.conf by default"),
        GLOBAL (spool_directory, "spool-directory", STRING, .fallback = "/var/tmp",
                .help = "where messages over spool-memory stand, in files without a name"),
        GLOBAL (spool_memory, "spool-memory", SIZE, .fallback = "256K", .minimum = 0,
                .maximum = GIGA, .help = "octets of one message that are kept in memory"),
        GLOBAL (module_directory, "module-directory", STRING,
                .help = "where filter modules lie; where they were installed by default"),
        GLOBAL (status_socket, "status-socket", STRING,
                .help = "UNIX socket that `mailweir status` asks; none by default"),
        GLOBAL (quarantine, "quarantine", STRING,
                .help = "Maildir for messages set aside; without one quarantine is answered 451"),
        GLOBAL (quarantine_reply, "quarantine-reply", CHOICE, .choices = quarantine_reply,
                .help = "what the client of a quarantined message hears: 250 or 550"),
        GLOBAL (log_format, "log-format", CHOICE, .choices = log_formats,
                .help = "auto is the journal's form under systemd, else text"),
        GLOBAL (log_level, "log-level", CHOICE, .fallback = "info", .choices = log_levels,
                .help = "the least important lines that are written"),
        { NULL } };

#define LISTENER(member, option, type, ...)                                                        \
  OPTION (ConfigListener, member, option, type, __VA_ARGS__)

static const ConfigOption listener_options[]
    = { LISTENER (bind, "bind", STRING_LIST, .required = TRUE,
                  .help = "\"address:port\", \"[address]:port\" or the path of a UNIX socket"),
        LISTENER (protocol, "protocol", CHOICE, .choices = listener_protocols,
                  .help = "lmtp: LHLO, and an answer for each recipient behind the message"),
        LISTENER (tls, "tls", CHOICE, .choices = listener_tls,
                  .help = "offered by STARTTLS, spoken from the first octet, or not at all"),
        LISTENER (require_tls, "require-tls", BOOLEAN, .fallback = "false",
                  .help = "no MAIL before STARTTLS: 530 5.7.0"),
        LISTENER (auth, "auth", CHOICE, .choices = auth,
                  .help = "AUTH is relayed to the next server: once TLS is spoken, or always"),
        LISTENER (filter_names, "filters", STRING_LIST, .help = "the chain, in its order"),
        LISTENER (route_names, "routes", STRING_LIST, .required = TRUE,
                  .help = "where recipients may go; the most specific `for` wins"),
        LISTENER (idle, "idle", DURATION, .fallback = "5m", RANGE_WAIT,
                  .help = "wait for the client's next command, or its next octets of data"),
        LISTENER (relay_from, "relay-from", STRING_LIST, .fallback = "127.0.0.0/8, ::1",
                  .help = "networks whose clients may send to anyone"),
        LISTENER (relay, "relay", CHOICE, .choices = relay,
                  .help = "any: everybody may send to anyone, an open relay"),
        LISTENER (allow_untrusted_routing, "allow-untrusted-routing", BOOLEAN, .fallback = "false",
                  .help = "who may not relay may still name a route, as in \"a%b@ours\""),
        LISTENER (proxy_from.texts, "proxy-from", STRING_LIST,
                  .help = "networks of load balancers: each connection of theirs begins with a "
                          "PROXY header, version 1 or 2, and is that client's"),
        LISTENER (xclient_from.texts, "xclient-from", STRING_LIST,
                  .help = "networks that may say by XCLIENT who the client is"),
        LISTENER (xforward_from.texts, "xforward-from", STRING_LIST,
                  .help = "networks that may say by XFORWARD, for the log, who the client was"),
        LISTENER (connections, "connections", INTEGER, .fallback = "1000", RANGE_COUNT,
                  .help = "sessions at once; one more hears 421; 0 is no limit"),
        LISTENER (connections_per_client, "connections-per-client", INTEGER, .fallback = "100",
                  RANGE_COUNT, .help = "sessions at once from one address: 421; 0 is no limit"),
        LISTENER (messages_per_minute, "messages-per-minute", INTEGER, .fallback = "0", RANGE_COUNT,
                  .help = "from one address: 450; 0 is no limit"),
        LISTENER (newlines, "bare-newlines", CHOICE, .choices = newlines,
                  .help = "a CR or LF alone is refused (550 5.6.11) or made CRLF"),
        LISTENER (message_size, "message-size", SIZE, .fallback = "0", .minimum = 0,
                  .maximum = 2 * GIGA, .help = "instead of the global one; 0 is the global one"),
        LISTENER (bad_commands, "bad-commands", INTEGER, .fallback = "20", .minimum = 1,
                  .maximum = 10000, .help = "errors of a client before 421 ends its session"),
        { NULL } };

#define ROUTE(member, option, type, ...) OPTION (ConfigRoute, member, option, type, __VA_ARGS__)

static const ConfigOption route_options[] = {
  ROUTE (for_domains, "for", STRING_LIST,
         .help = "domains it claims: \"example.org\", \".example.org\" for all below it; none: "
                 "whatever the client may relay"),
  ROUTE (to, "to", STRING_LIST, .required = TRUE,
         .help = "smtp://host:port, smtps://host:port, lmtp://host:port, lmtp:/path, mx:, "
                 "maildir:/path or discard:; several hosts are a pool"),
  ROUTE (tls, "tls", CHOICE, .fallback = "opportunistic", .choices = upstream_tls,
         .help = "required: encrypted or not at all; verified: the host's name and authority too"),
  ROUTE (tls_ca, "tls-ca", STRING,
         .help = "PEM file of the authorities that verified trusts; the system's by default"),
  ROUTE (tls_name, "tls-name", STRING, .help = "the name to verify, instead of the host's"),
  ROUTE (tls_certificate, "tls-certificate", STRING,
         .help = "PEM file of our client certificate and its chain"),
  ROUTE (tls_key, "tls-key", STRING, .help = "its key, where it is not in the same file"),
  ROUTE (connect, "connect", DURATION, .fallback = "10s", RANGE_WAIT,
         .help = "wait for a connection, or for a free one"),
  ROUTE (reply, "reply", DURATION, .fallback = "60s", RANGE_WAIT,
         .help = "wait for the answer to a command"),
  ROUTE (final_reply, "final-reply", DURATION, .fallback = "10m", RANGE_WAIT,
         .help = "wait for the answer to the final dot"),
  ROUTE (connections, "connections", INTEGER, .fallback = "50", .minimum = 1, .maximum = 100000,
         .help = "to one host, all threads together"),
  ROUTE (keep, "keep", DURATION, .fallback = "30s", .minimum = 0, .maximum = DAY,
         .help = "how long an idle connection is kept"),
  ROUTE (mx_loopback, "mx-loopback", BOOLEAN, .fallback = "false",
         .help = "a mail host that mx: finds may be this machine, by a loopback address"),
  ROUTE (xforward, "xforward", BOOLEAN, .fallback = "false",
         .help = "tell the server who our client is, by XFORWARD, where it offers that"),
  ROUTE (xclient, "xclient", BOOLEAN, .fallback = "false",
         .help = "be our client to the server, by XCLIENT; 451 where it does not let us"),
  ROUTE (proxy, "proxy", CHOICE, .choices = proxy,
         .help = "begin each connection with a PROXY header that names our client"),
  ROUTE (user, "user", STRING, .help = "log in at the server as this user of its"),
  ROUTE (password, "password", STRING, .help = "its password; a file keeps it better"),
  ROUTE (password_file, "password-file", STRING,
         .help = "file with the password in its only line, read with the rights of the start"),
  ROUTE (login_without_tls, "login-without-tls", BOOLEAN, .fallback = "false",
         .help = "log in without TLS too, where the server is not on this host"),
  { NULL }
};

#define FILTER(member, option, type, ...) OPTION (ConfigFilter, member, option, type, __VA_ARGS__)

static const ConfigOption filter_options[] = {
  FILTER (module, "module", STRING, .required = TRUE,
          .help = "the module; `mailweir filters` lists them, and their options"),
  FILTER (timeout, "timeout", DURATION, .fallback = "30s", RANGE_WAIT,
          .help = "for its part of one request; then the worker is killed and on-failure applies"),
  FILTER (on_failure, "on-failure", CHOICE, .choices = on_failure,
          .help = "what a crash or a time-out means: 451, as if it were not there, or 554"),
  FILTER (enforce, "enforce", BOOLEAN, .fallback = "true",
          .help = "false: its verdict is logged and not applied"),
  FILTER (only_if, "only-if", STRING_LIST,
          .help = "conditions, as \"client 10.0.0.0/8\": it is asked only if all of them hold"),
  { NULL }
};

#define TLS(member, option, type, ...) OPTION (ConfigTls, member, option, type, __VA_ARGS__)

static const ConfigOption tls_options[]
    = { TLS (certificate, "certificate", STRING, .required = TRUE,
             .help = "PEM file of the certificate and its chain"),
        TLS (key, "key", STRING, .help = "PEM file of its key, where it is not in the same file"),
        TLS (minimum, "minimum", CHOICE, .choices = protocols,
             .help = "the oldest protocol version"),
        { NULL } };

static const ConfigOption limit_options[]
    = { GLOBAL (limit_header_block, "header-block", SIZE, .fallback = "1M", .minimum = KILO,
                .maximum = 64 * MEGA, .help = "octets of all header fields"),
        GLOBAL (limit_header_field, "header-field", SIZE, .fallback = "64K", .minimum = KILO,
                .maximum = 64 * MEGA, .help = "octets of one field"),
        GLOBAL (limit_header_fields, "header-fields", INTEGER, .fallback = "1000", .minimum = 1,
                .maximum = 100000, .help = "fields"),
        GLOBAL (limit_address_field, "address-field", SIZE, .fallback = "32K", .minimum = KILO,
                .maximum = MEGA, .help = "octets of a field that holds addresses"),
        GLOBAL (limit_address_colons, "address-colons", INTEGER, .fallback = "100", .minimum = 1,
                .maximum = 1000, .help = "colons in one: they nest"),
        GLOBAL (limit_depth, "depth", INTEGER, .fallback = "100", .minimum = 1, .maximum = 1000,
                .help = "of parts in parts"),
        GLOBAL (limit_parts, "parts", INTEGER, .fallback = "10000", .minimum = 1, .maximum = 100000,
                .help = "of one message"),
        GLOBAL (over_limit, "over-limit", CHOICE, .choices = over_limit,
                .help
                = "what a message beyond one meets: 554, or a chain that can not look inside"),
        GLOBAL (malformed_header, "malformed-header", CHOICE, .choices = malformed_header,
                .help = "what a header meets that readers read differently: it is mended, or 550"),
        { NULL } };

const ConfigOption *
config_section_options (const gchar *section)
{
  static const struct
  {
    const gchar *name;
    const ConfigOption *options;
  } sections[] = {
    { "", root_options },         { "listener", listener_options }, { "route", route_options },
    { "filter", filter_options }, { "tls", tls_options },           { "limits", limit_options },
  };

  for (guint i = 0; i < G_N_ELEMENTS (sections); i++)
    if (strcmp (sections[i].name, section) == 0)
      return sections[i].options;
  return NULL;
}
