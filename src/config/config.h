/* The configuration as typed structs, checked and linked. Made once a process, read-only
 * afterwards, shared by all threads. */
#pragma once

#include "base/condition.h"
#include "config/option.h"

typedef enum
{
  CONFIG_TLS_OFF,
  CONFIG_TLS_STARTTLS,
  CONFIG_TLS_IMPLICIT
} ConfigListenerTls;
typedef enum
{
  CONFIG_UPSTREAM_TLS_OFF,
  CONFIG_UPSTREAM_TLS_OPPORTUNISTIC,
  CONFIG_UPSTREAM_TLS_REQUIRED,
  CONFIG_UPSTREAM_TLS_VERIFIED
} ConfigUpstreamTls;
typedef enum
{
  CONFIG_ON_FAILURE_TEMPFAIL,
  CONFIG_ON_FAILURE_PASS,
  CONFIG_ON_FAILURE_REJECT
} ConfigOnFailure;
typedef enum
{
  CONFIG_AUTH_OFF,
  CONFIG_AUTH_TLS,
  CONFIG_AUTH_ALWAYS
} ConfigAuth;
typedef enum
{
  CONFIG_PROTOCOL_SMTP,
  CONFIG_PROTOCOL_LMTP
} ConfigProtocol;
typedef enum
{
  CONFIG_RELAY_LISTED,
  CONFIG_RELAY_ANY
} ConfigRelay;
typedef enum
{
  CONFIG_OVER_LIMIT_REJECT,
  CONFIG_OVER_LIMIT_PASS
} ConfigOverLimit;
typedef enum
{
  CONFIG_MALFORMED_HEADER_MEND,
  CONFIG_MALFORMED_HEADER_REJECT
} ConfigMalformedHeader;
typedef enum
{
  CONFIG_NEWLINES_REFUSE,
  CONFIG_NEWLINES_NORMALIZE
} ConfigNewlines;
typedef enum
{
  CONFIG_QUARANTINE_ACCEPT,
  CONFIG_QUARANTINE_REJECT
} ConfigQuarantineReply;
typedef enum
{
  CONFIG_DESTINATION_SMTP,
  CONFIG_DESTINATION_SMTPS,
  CONFIG_DESTINATION_LMTP, /* over TCP, or over a UNIX socket: then `path` is set */
  CONFIG_DESTINATION_MX,   /* the mail hosts of the recipient's domain */
  CONFIG_DESTINATION_MAILDIR,
  CONFIG_DESTINATION_DISCARD
} ConfigDestinationKind;

typedef enum
{
  CONFIG_PROXY_OFF,
  CONFIG_PROXY_V1,
  CONFIG_PROXY_V2
} ConfigProxy;

/* Peers whose word is taken on who their client is. */
typedef struct
{
  gchar **texts;
  BaseNetwork *networks; /* parsed from `texts` */
  guint count;
} ConfigPeers;

/* tls { … }: the first block without a title is the default; `tls "mx.example.org" { … }` is chosen
 * by SNI. */
typedef struct
{
  gchar *name;        /* title, or NULL */
  gchar *certificate; /* path of a PEM chain */
  gchar *key;         /* path of a PEM key; NULL: in the certificate's file */
  gint minimum;       /* protocol: 0 = 1.2, 1 = 1.3 */
  const ConfigBlock *block;
} ConfigTls;

typedef struct
{
  ConfigDestinationKind kind;
  gchar *host; /* SMTP, SMTPS, LMTP over TCP: name or address, as written; else NULL */
  guint port;  /* of MX, too */
  gchar *path; /* MAILDIR; LMTP: of the UNIX socket, or NULL */
  gchar *text; /* as written, for logs */
} ConfigDestination;

typedef struct
{
  gchar *name;
  gchar **for_domains; /* empty: what the client may relay */
  gchar **to;
  ConfigDestination *destinations; /* parsed from `to` */
  guint n_destinations;
  gint tls;               /* ConfigUpstreamTls */
  gchar *tls_ca;          /* PEM file of accepted authorities; NULL: the system's */
  gchar *tls_name;        /* verified instead of the host's name */
  gchar *tls_certificate; /* client certificate; NULL: none */
  gchar *tls_key;
  gint64 connect;     /* ms */
  gint64 reply;       /* ms */
  gint64 final_reply; /* ms */
  gint64 connections; /* a host, all threads together */
  gint64 keep;        /* ms an idle connection is kept */
  gboolean xforward;
  gboolean xclient;
  gint proxy;  /* ConfigProxy */
  gchar *user; /* our own login there; NULL: none */
  gchar *password;
  gchar *password_file;
  gboolean login_without_tls;
  gboolean mx_loopback; /* MX: a mail host may have a loopback address */
  const ConfigBlock *block;
} ConfigRoute;

typedef struct
{
  gchar *name;
  gchar *module;
  guint index;     /* in Config.filters, which also has those that a listener has changed */
  gint64 timeout;  /* ms */
  gint on_failure; /* ConfigOnFailure */
  gboolean enforce;
  gchar **only_if;
  GPtrArray *conditions; /* of BaseCondition, parsed from `only_if`; all of them have to hold */
  const ConfigBlock
      *block;          /* the module's own options are bound from it where the module is loaded */
  ConfigBlock *merged; /* `block` of a filter as one listener has it, owned; NULL: as it stands */
} ConfigFilter;

typedef struct
{
  gchar *name;
  guint index; /* in Config.listeners */
  gchar **bind;
  BaseEndpoint *endpoints; /* parsed from `bind` */
  guint n_endpoints;
  gint protocol; /* ConfigProtocol */
  gint tls;      /* ConfigListenerTls */
  gboolean require_tls;
  gint auth; /* ConfigAuth */
  gchar **filter_names;
  ConfigFilter **filters; /* linked, in the order of the chain; borrowed */
  guint n_filters;
  gchar **route_names;
  ConfigRoute **routes; /* linked; borrowed */
  guint n_routes;
  gint64 idle; /* ms until the client's next command, and between its bytes of data */
  gchar **relay_from;
  BaseNetwork *relay_networks;
  guint n_relay_networks;
  ConfigPeers proxy_from, xclient_from, xforward_from;
  gint relay; /* ConfigRelay */
  gboolean allow_untrusted_routing;
  gint64 connections, connections_per_client, messages_per_minute; /* 0: no limit */
  gint newlines;                                                   /* ConfigNewlines */
  guint64 message_size;                                            /* 0: the global one */
  gint64 bad_commands;
  const ConfigBlock *block;
} ConfigListener;

typedef struct
{
  gchar *hostname; /* the system's when not given */
  gchar *user;     /* NULL: stay who we are (an error for root beyond a demo: see supervisor) */
  guint64 message_size;
  gint64 recipients;
  gint64 deadline; /* ms */
  gint64 threads;  /* 0: one for every two cores */
  gint64 workers_min, workers_max;
  gint64 worker_queue;   /* requests that may wait for one */
  guint64 worker_memory; /* address space of one, octets */
  gint64 drain;          /* ms */
  gint64 hops;
  gchar **resolver; /* name servers, "address" or "address@port"; empty: the system's */
  gchar *spool_directory;
  guint64 spool_memory;    /* octets of one message before the file */
  gchar *module_directory; /* NULL: where Mailweir was installed, or built */
  gchar *status_socket;    /* NULL: none */
  gchar *quarantine;       /* Maildir; NULL: quarantine is answered 451 */
  gint quarantine_reply;   /* ConfigQuarantineReply */
  gint log_format;         /* 0 auto (journal under systemd, else text), 1 text, 2 json */
  gint log_level; /* 0 error … as choices "error", "warning", "notice", "info", "debug" */
  /* limits { … }: looked at before a message is parsed */
  guint64 limit_header_block, limit_header_field, limit_address_field;
  gint64 limit_header_fields, limit_address_colons, limit_depth, limit_parts;
  gint over_limit;       /* ConfigOverLimit */
  gint malformed_header; /* ConfigMalformedHeader */

  GPtrArray *tls;       /* of ConfigTls */
  GPtrArray *listeners; /* of ConfigListener */
  GPtrArray *routes;    /* of ConfigRoute */
  GPtrArray *filters;   /* of ConfigFilter */
  ConfigBlock *tree;    /* owned; keeps every place alive */
} Config;

#define CONFIG_MAX_CONDITIONS 32 /* in one `only-if` */
#define CONFIG_MAX_FILTERS 4096  /* those that listeners have changed among them */

/* Parses, binds, links and checks everything that needs no module, no socket and no key. NULL when
 * there was an error: then `errors` has them all. `path` NULL: the built-in default (127.0.0.1:2525
 * to a Maildir ./mail). */
Config *config_load (ConfigSources *sources, const gchar *path, ConfigErrors *errors);
/* The same, but gives out what there is of a configuration with errors, never NULL: to look for
 * more errors in it, and for nothing else. */
Config *config_read (ConfigSources *sources, const gchar *path, ConfigErrors *errors);
void config_free (Config *config);
/* Reads every certificate, key and list of authorities that the configuration names into the
 * sources, so that the bundle has them. FALSE: at least one could not be read; `errors` says which
 * and where it is named. */
gboolean config_read_files (const Config *config, ConfigSources *sources, ConfigErrors *errors);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Config, config_free)

#define CONFIG_MAX_PASSWORD 1000 /* octets */

/* The password of the route's `user`, from the sources if it has a file. NULL: error is set, or
 * there is none. Caller frees. */
gchar *config_route_password (const ConfigRoute *route, ConfigSources *sources, GError **error);

/* The route of the listener that claims a recipient's domain: the most specific `for`; one without
 * `for` takes what is left. NULL: none.
 * `*needs_relay` is set when only a route without `for` (or no route) matched: the client must be
 * allowed to relay. */
const ConfigRoute *config_listener_route (const ConfigListener *listener, const gchar *recipient,
                                          gboolean *needs_relay);
/* Whether it is a server that is spoken to, by SMTP or LMTP; else Maildir or discard. */
gboolean config_destination_is_host (const ConfigDestination *destination);
/* Whether the route's servers speak LMTP; then all of them do. */
gboolean config_route_is_lmtp (const ConfigRoute *route);
/* Its recipients go to the mail hosts of their domains. */
gboolean config_route_is_mx (const ConfigRoute *route);
gboolean config_listener_may_relay (const ConfigListener *listener, const BaseEndpoint *client);
gboolean config_peers_contain (const ConfigPeers *peers, const BaseEndpoint *peer);
/* The table of a section, for `check`'s suggestions, the manual and tests: "", "listener", "route",
 * "filter", "tls", "limits". */
const ConfigOption *config_section_options (const gchar *section);
