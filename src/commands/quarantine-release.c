/* One destination after another, recipients of one route together. Whatever a server or a disk says
 * is a fate; what leaves the outcome in doubt counts as not delivered, as for any client. */
#include "commands/quarantine-release.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mailweir/smtp.h>

#include "base/network.h"
#include "delivery/maildir.h"
#include "message/mend.h"

/* How a route's servers are spoken to: one of both. */
typedef struct
{
  WeirRelay *relay;
  GError *error;
} Sender;

typedef struct
{
  QuarantineEntry *entry;
  const Config *config;
  GHashTable *senders;
  GByteArray *message; /* with CRLF */
  GPtrArray *left;     /* of BasePath, borrowed: who has not got it */
  QuarantineRelease outcome;
} Release;

/* ---- How routes are spoken to ---- */

static void
sender_free (gpointer data)
{
  Sender *sender = data;

  weir_relay_free (sender->relay);
  g_clear_error (&sender->error);
  g_free (sender);
}

/* A password may go to this host in plaintext, as the gateway's own does. */
static gboolean
is_local (const ConfigRoute *route)
{
  gboolean local = TRUE;

  for (guint i = 0; i < route->n_destinations; i++)
    {
      const gchar *host = route->destinations[i].host;
      g_autofree gchar *text
          = host == NULL ? NULL : g_strdup_printf (strchr (host, ':') ? "[%s]:1" : "%s:1", host);
      BaseEndpoint endpoint;

      local = local && text != NULL && base_endpoint_parse (text, &endpoint, NULL)
              && base_endpoint_is_loopback (&endpoint);
    }
  return local;
}

static WeirRelay *
relay_new (const Config *config, const ConfigRoute *route, const gchar *password)
{
  static const WeirTls policies[] = { [CONFIG_UPSTREAM_TLS_OFF] = WEIR_TLS_OFF,
                                      [CONFIG_UPSTREAM_TLS_OPPORTUNISTIC] = WEIR_TLS_OPPORTUNISTIC,
                                      [CONFIG_UPSTREAM_TLS_REQUIRED] = WEIR_TLS_REQUIRED,
                                      [CONFIG_UPSTREAM_TLS_VERIFIED] = WEIR_TLS_VERIFIED };
  static const guint headers[]
      = { [CONFIG_PROXY_OFF] = 0, [CONFIG_PROXY_V1] = 1, [CONFIG_PROXY_V2] = 2 };
  WeirRelaySettings settings = { .size = sizeof settings,
                                 .hostname = config->hostname,
                                 .tls = policies[route->tls],
                                 .authorities = route->tls_ca,
                                 .certificate = route->tls_certificate,
                                 .key = route->tls_key,
                                 .tls_name = route->tls_name,
                                 .user = password != NULL ? route->user : NULL,
                                 .password = password,
                                 .auth_in_plaintext = route->login_without_tls || is_local (route),
                                 .port = route->destinations[0].port,
                                 .proxy = headers[route->proxy],
                                 .timeout = (guint) MIN (route->reply, G_MAXUINT),
                                 .connect_timeout = (guint) MIN (route->connect, G_MAXUINT),
                                 .final_timeout = (guint) MIN (route->final_reply, G_MAXUINT) };

  return weir_relay_new (&settings);
}

static Sender *
sender_new (const Config *config, const ConfigRoute *route, ConfigSources *secrets)
{
  Sender *sender = g_new0 (Sender, 1);
  gchar *password = config_route_password (route, secrets, &sender->error);

  if (sender->error == NULL)
    sender->relay = relay_new (config, route, password);
  if (password != NULL)
    explicit_bzero (password, strlen (password));
  g_free (password);
  return sender;
}

GHashTable *
quarantine_senders_new (const Config *config, ConfigSources *secrets)
{
  GHashTable *senders = g_hash_table_new_full (NULL, NULL, NULL, sender_free);

  for (guint i = 0; i < config->routes->len; i++)
    {
      ConfigRoute *route = g_ptr_array_index (config->routes, i);

      g_hash_table_insert (senders, route, sender_new (config, route, secrets));
    }
  return senders;
}

/* ---- The message, as it came ---- */

/* Takes over what it is given. */
static GByteArray *
mend (GByteArray *message)
{
  g_autoptr (MessageHeaders) headers = message_headers_scan (message->data, message->len, TRUE);
  g_autoptr (MessageEdits) mends = message_mend (headers);
  MessageSource source = message_source_from_memory (message->data, message->len);
  GBytes *mended = mends == NULL ? NULL : message_edits_apply (mends, &source, NULL);

  if (mended == NULL)
    return message;
  g_byte_array_unref (message);
  return g_bytes_unref_to_array (mended);
}

static GByteArray *
read_message (const QuarantineEntry *entry, GError **error)
{
  g_autofree gchar *text = NULL;
  gsize length = 0;
  GByteArray *message = NULL;
  const gchar *at, *end;

  if (!g_file_get_contents (entry->message_path, &text, &length, error))
    return NULL;
  message = g_byte_array_sized_new ((guint) (length + length / 32 + 2));
  for (at = text, end = text + length; at < end;)
    {
      const gchar *feed = memchr (at, '\n', (gsize) (end - at));
      gsize line = (gsize) ((feed == NULL ? end : feed) - at);

      g_byte_array_append (message, (const guint8 *) at, (guint) line);
      g_byte_array_append (message, (const guint8 *) "\r\n", 2);
      at += line + 1;
    }
  return mend (message);
}

/* ---- Fates ---- */

static void
settle (Release *release, BasePath *recipient, WeirOutcome outcome, const gchar *said)
{
  static const gchar *const words[] = { [WEIR_OUTCOME_DELIVERED] = "delivered",
                                        [WEIR_OUTCOME_DEFERRED] = "deferred",
                                        [WEIR_OUTCOME_REFUSED] = "refused" };

  printf ("%s <%s> %s: %s\n", quarantine_entry_text (release->entry, "id"), recipient->address,
          words[outcome], said);
  if (outcome == WEIR_OUTCOME_DELIVERED)
    g_ptr_array_remove (release->left, recipient);
  else if (outcome == WEIR_OUTCOME_REFUSED)
    release->outcome = QUARANTINE_REFUSED;
  else if (release->outcome == QUARANTINE_RELEASED)
    release->outcome = QUARANTINE_DEFERRED;
}

static void
settle_all (Release *release, const GPtrArray *recipients, WeirOutcome outcome, const gchar *said)
{
  for (guint i = 0; i < recipients->len; i++)
    settle (release, recipients->pdata[i], outcome, said);
}

/* ---- To a mail server ---- */

/* The relay tells these of the content itself; AUTH was the client's. */
static GStrv
parameters_to_send (const BasePath *path)
{
  static const gchar *const own[] = { "SIZE", "BODY", "SMTPUTF8", "AUTH" };
  g_autoptr (GStrvBuilder) kept = g_strv_builder_new ();

  for (guint i = 0; path->parameters != NULL && path->parameters[i] != NULL; i++)
    {
      gsize length = strcspn (path->parameters[i], "=");
      gboolean drop = FALSE;

      for (guint j = 0; j < G_N_ELEMENTS (own); j++)
        drop = drop
               || (strlen (own[j]) == length
                   && g_ascii_strncasecmp (own[j], path->parameters[i], length) == 0);
      if (!drop)
        g_strv_builder_add (kept, path->parameters[i]);
    }
  return g_strv_builder_end (kept);
}

static WeirMail *
make_mail (const Release *release, const GPtrArray *recipients, GError **error)
{
  g_auto (GStrv) parameters = parameters_to_send (release->entry->sender);
  g_autoptr (WeirMail) mail
      = weir_mail_new (release->entry->sender->address, (const char *const *) parameters, error);

  for (guint i = 0; mail != NULL && i < recipients->len; i++)
    {
      const BasePath *path = recipients->pdata[i];

      if (!weir_mail_add_recipient (mail, path->address, (const char *const *) path->parameters,
                                    error))
        return NULL;
    }
  if (mail == NULL
      || !weir_mail_append (mail, release->message->data, release->message->len, error))
    return NULL;
  return g_steal_pointer (&mail);
}

/* Where "mx:" connects to is the relay's. */
static const gchar *
url_of (const ConfigDestination *destination)
{
  return destination->kind == CONFIG_DESTINATION_MX ? "mx:" : destination->text;
}

static gboolean
was_reached (const WeirRelayResult *result)
{
  const WeirFate *worst = weir_relay_result_worst (result);

  return worst->outcome != WEIR_OUTCOME_DEFERRED || worst->host[0] != '\0' || worst->in_doubt;
}

static void
take_fates (Release *release, const GPtrArray *recipients, const WeirRelayResult *result)
{
  for (guint i = 0; i < recipients->len; i++)
    {
      const WeirFate *fate = weir_relay_result_fate (result, i);
      g_autofree gchar *said
          = g_strdup_printf ("%s%s%u %s%s%s%s", fate->host, fate->host[0] != '\0' ? ": " : "",
                             fate->code, fate->enhanced, fate->enhanced[0] != '\0' ? " " : "",
                             fate->text, fate->in_doubt ? " (it may have the message)" : "");

      settle (release, recipients->pdata[i], fate->outcome, g_strdelimit (said, "\r\n", ' '));
    }
}

/* The destinations in their order, until one could be talked to. */
static void
send_by_smtp (Release *release, const ConfigRoute *route, const GPtrArray *recipients)
{
  g_autoptr (GError) error = NULL;
  const Sender *sender = g_hash_table_lookup (release->senders, route);
  g_autoptr (WeirMail) mail
      = sender->error != NULL ? NULL : make_mail (release, recipients, &error);
  g_autoptr (WeirRelayResult) result = NULL;

  for (guint i = 0; mail != NULL && i < route->n_destinations; i++)
    {
      g_clear_pointer (&result, weir_relay_result_free);
      g_clear_error (&error);
      result = weir_relay_to_url (sender->relay, mail, url_of (&route->destinations[i]), &error);
      if (result != NULL && was_reached (result))
        break;
    }
  if (result != NULL)
    take_fates (release, recipients, result);
  else
    settle_all (release, recipients, WEIR_OUTCOME_DEFERRED,
                (sender->error != NULL ? sender->error : error)->message);
}

/* ---- To a Maildir ---- */

static void
store (Release *release, const ConfigDestination *destination, const GPtrArray *recipients)
{
  DeliveryEnvelope envelope = { release->entry->sender, recipients };
  MessageSource source = message_source_from_memory (release->message->data, release->message->len);
  g_autoptr (GError) error = NULL;

  if (delivery_maildir_write (destination->path, release->config->hostname, &envelope, NULL, NULL,
                              source, NULL, &error))
    settle_all (release, recipients, WEIR_OUTCOME_DELIVERED, destination->text);
  else
    settle_all (release, recipients, WEIR_OUTCOME_DEFERRED, error->message);
}

static void
send_by_route (Release *release, const ConfigRoute *route, const GPtrArray *recipients)
{
  const ConfigDestination *first = &route->destinations[0];

  if (first->kind == CONFIG_DESTINATION_MAILDIR)
    store (release, first, recipients);
  else if (first->kind == CONFIG_DESTINATION_DISCARD)
    settle_all (release, recipients, WEIR_OUTCOME_REFUSED, "its route discards");
  else
    send_by_smtp (release, route, recipients);
}

/* ---- By routes ---- */

/* NULL: the listener that it came by is not there any more. */
static const ConfigListener *
find_listener (const Config *config, const gchar *name)
{
  for (guint i = 0; i < config->listeners->len; i++)
    {
      const ConfigListener *listener = g_ptr_array_index (config->listeners, i);

      if (g_str_equal (listener->name, name))
        return listener;
    }
  return NULL;
}

/* With the last recipient the entry goes. */
static gboolean
keep_rest (Release *release, GError **error)
{
  g_autoptr (GPtrArray) rest = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);

  if (release->left->len == 0)
    return quarantine_entry_delete (release->entry, error);
  if (release->left->len == release->entry->recipients->len)
    return TRUE;
  for (guint i = 0; i < release->left->len; i++)
    g_ptr_array_add (rest, base_path_copy (release->left->pdata[i]));
  return quarantine_entry_set_recipients (release->entry, rest, error);
}

/* NULL is a route too: that of those whom none claims. Who has the message is taken out before the
 * next route is tried, so that a second release does not reach anybody twice. */
static gboolean
send_by (Release *release, const ConfigListener *listener, const ConfigRoute *route,
         const GPtrArray *all, GError **error)
{
  g_autoptr (GPtrArray) mine = g_ptr_array_new ();
  gboolean ignored;

  for (guint i = 0; i < all->len; i++)
    if (config_listener_route (listener, ((BasePath *) all->pdata[i])->address, &ignored) == route)
      g_ptr_array_add (mine, all->pdata[i]);
  if (mine->len == 0)
    return TRUE;
  if (route != NULL)
    send_by_route (release, route, mine);
  else
    settle_all (release, mine, WEIR_OUTCOME_REFUSED, "no route claims it");
  return keep_rest (release, error);
}

static void
send_to_all (Release *release, const ConfigListener *listener, GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_ref (release->entry->recipients);
  gboolean kept = TRUE;

  for (guint i = 0; i < all->len; i++)
    g_ptr_array_add (release->left, all->pdata[i]);
  for (guint i = 0; kept && i < listener->n_routes; i++)
    kept = send_by (release, listener, listener->routes[i], all, error);
  if (kept)
    send_by (release, listener, NULL, all, error);
}

QuarantineRelease
quarantine_release (QuarantineEntry *entry, const Config *config, GHashTable *senders,
                    GError **error)
{
  Release release
      = { .entry = entry, .config = config, .senders = senders, .left = g_ptr_array_new () };
  gint fd = quarantine_entry_lock (entry, error);
  const gchar *name = quarantine_entry_text (entry, "listener");
  const ConfigListener *listener = find_listener (config, name);

  release.message = fd < 0 ? NULL : read_message (entry, error);
  if (release.message != NULL && listener != NULL)
    send_to_all (&release, listener, error);
  else if (release.message != NULL)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                 "%s: the configuration has no listener \"%s\"", entry->facts_path, name);
  g_clear_pointer (&release.message, g_byte_array_unref);
  if (fd >= 0)
    close (fd);
  g_ptr_array_unref (release.left);
  return release.outcome;
}
