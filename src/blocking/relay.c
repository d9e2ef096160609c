/* Passes a mail on to one host, or to the mail hosts of each recipient's domain, and keeps what
 * each recipient was answered. Whatever fails on the way is a fate; only what makes trying
 * pointless (no URL, no mail, a bad one) is an error. */
#include <mailweir/smtp.h>

#include <string.h>

#include "base/address.h"
#include "base/mx.h"
#include "base/network.h"
#include "blocking/client.h"
#include "blocking/mail.h"
#include "blocking/resolver.h"
#include "blocking/tls.h"

#define TIMEOUT (5 * 60 * 1000)
#define PORT 25

struct _WeirRelay
{
  gchar *hostname; /* NULL: this host's */
  WeirTls tls;
  SSL_CTX *context;  /* NULL: `tls_error`, or no TLS */
  GError *tls_error; /* what of its files is no use */
  gchar *tls_name;   /* NULL: the host's */
  guint proxy;
  guint timeout, connect_timeout, final_timeout;
  guint port;
  WeirTrace trace;
  gpointer trace_data;
  gchar *user; /* NULL: nobody logs in */
  gchar *password;
  gboolean auth_in_plaintext;
  WeirResolver resolver;
  gpointer resolver_data;
};

struct _WeirRelayResult
{
  GArray *fates; /* of WeirFate; its strings are owned */
  GError *error;
};

/* One call of weir_relay_to_url(). */
typedef struct
{
  const WeirRelay *relay;
  WeirMail *mail;
  BasePath *sender; /* with what MAIL must say about the content */
  const guint8 *bytes;
  gsize length;
  gboolean lmtp;
  gboolean log_in; /* the server is the one that the user belongs to */
  WeirRelayResult *result;
} Job;

WeirRelay *
weir_relay_new (const WeirRelaySettings *settings)
{
  WeirRelay *relay = g_new0 (WeirRelay, 1);
  WeirRelaySettings given = { 0 };

  if (settings != NULL)
    memcpy (&given, settings, MIN (settings->size, sizeof given));
  relay->hostname = g_strdup (given.hostname);
  relay->tls = given.tls;
  relay->context
      = blocking_tls_client_context_new (given.tls == WEIR_TLS_VERIFIED, given.authorities,
                                         given.certificate, given.key, &relay->tls_error);
  relay->tls_name = g_strdup (given.tls_name);
  relay->proxy = given.proxy;
  relay->timeout = given.timeout > 0 ? given.timeout : TIMEOUT;
  relay->connect_timeout = given.connect_timeout;
  relay->final_timeout = given.final_timeout;
  relay->port = given.port > 0 ? given.port : PORT;
  relay->user = g_strdup (given.user);
  relay->password = g_strdup (given.password);
  relay->auth_in_plaintext = given.auth_in_plaintext;
  relay->trace = given.trace;
  relay->trace_data = given.trace_data;
  relay->resolver = blocking_resolver_lookup;
  return relay;
}

void
weir_relay_free (WeirRelay *relay)
{
  if (relay == NULL)
    return;
  g_free (relay->hostname);
  SSL_CTX_free (relay->context);
  g_clear_error (&relay->tls_error);
  g_free (relay->tls_name);
  g_free (relay->user);
  if (relay->password != NULL)
    explicit_bzero (relay->password, strlen (relay->password));
  g_free (relay->password);
  g_free (relay);
}

void
weir_relay_set_resolver (WeirRelay *relay, WeirResolver resolver, gpointer data)
{
  relay->resolver = resolver != NULL ? resolver : blocking_resolver_lookup;
  relay->resolver_data = data;
}

static void
clear_fate (gpointer data)
{
  WeirFate *fate = data;

  g_free ((gchar *) fate->recipient);
  g_free ((gchar *) fate->enhanced);
  g_free ((gchar *) fate->text);
  g_free ((gchar *) fate->host);
}

static WeirRelayResult *
result_new (const WeirMail *mail)
{
  WeirRelayResult *result = g_new0 (WeirRelayResult, 1);

  result->fates = g_array_new (FALSE, TRUE, sizeof (WeirFate));
  g_array_set_clear_func (result->fates, clear_fate);
  g_array_set_size (result->fates, mail->recipients->len);
  for (guint i = 0; i < mail->recipients->len; i++)
    g_array_index (result->fates, WeirFate, i).recipient = g_strdup (weir_mail_recipient (mail, i));
  return result;
}

void
weir_relay_result_free (WeirRelayResult *result)
{
  if (result == NULL)
    return;
  g_array_unref (result->fates);
  g_clear_error (&result->error);
  g_free (result);
}

guint
weir_relay_result_count (const WeirRelayResult *result)
{
  return result->fates->len;
}

const WeirFate *
weir_relay_result_fate (const WeirRelayResult *result, guint index)
{
  g_return_val_if_fail (index < result->fates->len, NULL);
  return &g_array_index (result->fates, WeirFate, index);
}

const WeirFate *
weir_relay_result_worst (const WeirRelayResult *result)
{
  const WeirFate *worst = weir_relay_result_fate (result, 0);

  for (guint i = 1; i < result->fates->len; i++)
    if (weir_relay_result_fate (result, i)->outcome > worst->outcome)
      worst = weir_relay_result_fate (result, i);
  return worst;
}

const GError *
weir_relay_result_error (const WeirRelayResult *result)
{
  return result->error;
}

static WeirOutcome
outcome_of (const BaseReply *reply)
{
  if (reply->code < 400)
    return WEIR_OUTCOME_DELIVERED;
  return reply->code < 500 ? WEIR_OUTCOME_DEFERRED : WEIR_OUTCOME_REFUSED;
}

static void
set_fate (Job *job, guint index, const BaseReply *reply, const gchar *host)
{
  WeirFate *fate = &g_array_index (job->result->fates, WeirFate, index);
  WeirFate old = *fate;
  const guint16 *code = reply->enhanced;

  fate->recipient = g_strdup (old.recipient);
  fate->outcome = outcome_of (reply);
  fate->code = reply->code;
  fate->enhanced
      = code[0] == 0 ? g_strdup ("") : g_strdup_printf ("%u.%u.%u", code[0], code[1], code[2]);
  fate->text = g_strdup (reply->text != NULL ? reply->text : "");
  fate->host = g_strdup (host);
  fate->in_doubt = FALSE;
  clear_fate (&old);
}

static void
set_fates (Job *job, const GArray *chosen, const BaseReply *reply, const gchar *host)
{
  for (guint i = 0; i < chosen->len; i++)
    set_fate (job, g_array_index (chosen, guint, i), reply, host);
}

/* ---- One host ---- */

static BlockingOptions
options_for (const WeirRelay *relay, const gchar *host, guint port, gboolean implicit_tls,
             gboolean log_in)
{
  static const BlockingTlsPolicy policies[] = {
    [WEIR_TLS_OPPORTUNISTIC] = BLOCKING_TLS_POLICY_OPPORTUNISTIC,
    [WEIR_TLS_OFF] = BLOCKING_TLS_POLICY_OFF,
    [WEIR_TLS_REQUIRED] = BLOCKING_TLS_POLICY_REQUIRED,
    [WEIR_TLS_VERIFIED] = BLOCKING_TLS_POLICY_VERIFIED,
  };

  return (BlockingOptions){ .host = host,
                            .port = port,
                            .implicit_tls = implicit_tls,
                            .tls = policies[relay->tls],
                            .context = relay->context,
                            .tls_name = relay->tls_name,
                            .proxy = relay->proxy,
                            .hello = relay->hostname,
                            .timeout = relay->timeout,
                            .connect_timeout = relay->connect_timeout,
                            .final_timeout = relay->final_timeout,
                            .user = log_in ? relay->user : NULL,
                            .password = relay->password,
                            .auth_in_plaintext = relay->auth_in_plaintext,
                            .trace = relay->trace,
                            .trace_data = relay->trace_data };
}

/* What the server said to the `nth` of those who were sent; NULL: it did not come to that. */
static const BaseReply *
answer_to (const BlockingResult *answers, guint nth)
{
  const BaseReply *reply = nth < answers->recipients->len ? answers->recipients->pdata[nth] : NULL;

  if (answers->mail != NULL && answers->mail->code >= 400)
    return answers->mail;
  if (reply != NULL && reply->code >= 400)
    return reply;
  if (answers->fates != NULL)
    return answers->fates->pdata[nth];
  return answers->message;
}

static void
keep_answers (Job *job, const GArray *chosen, const BlockingResult *answers,
              const BlockingClient *client, const gchar *host)
{
  for (guint i = 0; i < chosen->len; i++)
    {
      guint index = g_array_index (chosen, guint, i);
      const BaseReply *reply = answer_to (answers, i);

      set_fate (job, index, reply != NULL ? reply : blocking_client_failure (client), host);
      if (reply == NULL)
        g_array_index (job->result->fates, WeirFate, index).in_doubt
            = blocking_client_is_in_doubt (client);
    }
}

/* A 5xx that ended the conversation behind the final dot, or in the data, is an answer to the
 * message; one before it says nothing about who was not answered but that this host will not have
 * them. */
static void
send_to_chosen (Job *job, const GArray *chosen, BlockingClient *client, const gchar *host)
{
  g_autofree const BasePath **paths = g_new (const BasePath *, chosen->len);
  g_autoptr (BlockingResult) answers = blocking_result_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < chosen->len; i++)
    paths[i] = job->mail->recipients->pdata[g_array_index (chosen, guint, i)];
  if (blocking_client_send (client, job->sender, paths, chosen->len, job->bytes, job->length,
                            answers, &error))
    {
      keep_answers (job, chosen, answers, client, host);
      /* The message is answered: how the server says good-bye changes nothing. */
      blocking_client_quit (client, NULL);
      return;
    }
  keep_answers (job, chosen, answers, client, host);
  g_clear_error (&job->result->error);
  job->result->error = g_steal_pointer (&error);
}

static gchar *
name_host (const gchar *name, guint port)
{
  if (*name == '/')
    return g_strdup (name);
  return g_strdup_printf (strchr (name, ':') ? "[%s]:%u" : "%s:%u", name, port);
}

/* NULL with `failure` and `error`. A certificate or an authority that can not be read: nobody is
 * sent to without. */
static BlockingClient *
connect_to (const Job *job, const BlockingOptions *options, BaseReply **failure, GError **error)
{
  const WeirRelay *relay = job->relay;

  if (relay->tls_error == NULL || relay->tls == WEIR_TLS_OFF)
    return blocking_client_connect (options, failure, error);
  *failure = base_reply_new (451, 4, 7, 0, relay->tls_error->message);
  g_propagate_error (error, g_error_copy (relay->tls_error));
  return NULL;
}

/* FALSE: it came to no transaction, and another host may be asked even where this one refused. */
static gboolean
try_host (Job *job, const GArray *chosen, const gchar *name, guint port, gboolean implicit_tls)
{
  BlockingOptions options = options_for (job->relay, name, port, implicit_tls, job->log_in);
  g_autofree gchar *host = name_host (name, port);
  g_autoptr (BaseReply) failure = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BlockingClient) client = NULL;

  options.lmtp = job->lmtp;
  /* Nobody encrypts on a UNIX socket, and there is no name to ask for. */
  if (*name == '/' && options.tls == BLOCKING_TLS_POLICY_OPPORTUNISTIC)
    options.tls = BLOCKING_TLS_POLICY_OFF;
  client = connect_to (job, &options, &failure, &error);

  if (client != NULL)
    {
      send_to_chosen (job, chosen, client, host);
      return TRUE;
    }
  set_fates (job, chosen, failure, host);
  g_clear_error (&job->result->error);
  job->result->error = g_steal_pointer (&error);
  return FALSE;
}

/* ---- Mail hosts of domains ---- */

/* Those of `chosen` whom the next host may still be asked for. */
static GArray *
who_is_left (const Job *job, const GArray *chosen, gboolean all)
{
  GArray *left = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < chosen->len; i++)
    {
      guint index = g_array_index (chosen, guint, i);
      const WeirFate *fate = weir_relay_result_fate (job->result, index);

      if (all || (fate->outcome == WEIR_OUTCOME_DEFERRED && !fate->in_doubt))
        g_array_append_val (left, index);
    }
  return left;
}

/* One after the other, until everybody has an answer that another host must not change. */
static void
try_hosts (Job *job, const GArray *chosen, const GPtrArray *hosts)
{
  g_autoptr (GArray) left = who_is_left (job, chosen, TRUE);

  for (guint i = 0; i < hosts->len && left->len > 0; i++)
    {
      g_autofree gchar *host = NULL;
      GArray *next;
      guint port;
      gboolean reached;

      if (!base_host_port_parse (hosts->pdata[i], job->relay->port, &host, &port, NULL))
        continue;
      reached = try_host (job, left, host, port, FALSE);
      next = who_is_left (job, left, !reached);
      g_array_unref (left);
      left = next;
    }
}

static void
send_to_domain (Job *job, const gchar *domain, const GArray *chosen)
{
  g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *address = NULL;

  if (base_mx_literal (domain, &address))
    {
      if (address == NULL)
        {
          set_fates (job, chosen, BASE_REPLY (550, 5, 1, 3, "The address literal is none"), "");
          return;
        }
      g_ptr_array_add (hosts, g_strdup_printf (strchr (address, ':') != NULL ? "[%s]:%u" : "%s:%u",
                                               address, job->relay->port));
    }
  else if (!job->relay->resolver (domain, hosts, job->relay->resolver_data, &error))
    {
      g_autoptr (BaseReply) reply = base_reply_new (451, 4, 4, 3, error->message);

      set_fates (job, chosen, reply, "");
      return;
    }
  if (hosts->len == 1 && g_str_equal (hosts->pdata[0], "."))
    {
      set_fates (job, chosen, BASE_REPLY (556, 5, 1, 10, "The domain takes no mail"), "");
      return;
    }
  if (hosts->len == 0)
    g_ptr_array_add (hosts, g_strdup (domain));
  set_fates (job, chosen, BASE_REPLY (451, 4, 4, 4, "No host of the domain can be used"), "");
  try_hosts (job, chosen, hosts);
}

static void
send_by_domains (Job *job)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) domains = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) groups = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);

  for (guint i = 0; i < job->mail->recipients->len; i++)
    {
      const gchar *domain = base_address_domain (weir_mail_recipient (job->mail, i));
      g_autofree gchar *key = g_ascii_strdown (domain != NULL ? domain : "localhost", -1);
      GArray *group = g_hash_table_lookup (seen, key);

      if (group == NULL)
        {
          group = g_array_new (FALSE, FALSE, sizeof (guint));
          g_ptr_array_add (groups, group);
          g_hash_table_insert (seen, key, group);
          g_ptr_array_add (domains, g_steal_pointer (&key));
        }
      g_array_append_val (group, i);
    }
  for (guint i = 0; i < groups->len; i++)
    send_to_domain (job, domains->pdata[i], groups->pdata[i]);
}

/* ---- The mail ---- */

static gboolean
is_8bit (const guint8 *bytes, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (bytes[i] >= 0x80)
      return TRUE;
  return FALSE;
}

static gboolean
is_8bit_text (const gchar *text)
{
  return is_8bit ((const guint8 *) text, strlen (text));
}

static gboolean
has_bare_newline (const guint8 *bytes, gsize length)
{
  for (const guint8 *at = bytes; (at = memchr (at, '\n', (gsize) (bytes + length - at))) != NULL;
       at++)
    if (at == bytes || at[-1] != '\r')
      return TRUE;
  for (const guint8 *at = bytes; (at = memchr (at, '\r', (gsize) (bytes + length - at))) != NULL;
       at++)
    if (at + 1 == bytes + length || at[1] != '\n')
      return TRUE;
  return FALSE;
}

static gboolean
needs_utf8 (const Job *job, gboolean content_8bit)
{
  if (is_8bit_text (weir_mail_sender (job->mail)))
    return TRUE;
  for (guint i = 0; i < job->mail->recipients->len; i++)
    if (is_8bit_text (weir_mail_recipient (job->mail, i)))
      return TRUE;
  return content_8bit && base_path_parameter (job->mail->sender, "SMTPUTF8") != NULL;
}

/* What MAIL says about the content is said anew: the content may be another than the one that the
 * sender described. */
static BasePath *
describe (const Job *job)
{
  g_autoptr (GPtrArray) parameters = g_ptr_array_new ();
  g_autofree gchar *size = g_strdup_printf ("SIZE=%" G_GSIZE_FORMAT, job->length);
  const gchar *const *given = weir_mail_sender_parameters (job->mail);
  gboolean eight = is_8bit (job->bytes, job->length);

  g_ptr_array_add (parameters, size);
  if (eight)
    g_ptr_array_add (parameters, (gpointer) "BODY=8BITMIME");
  if (needs_utf8 (job, eight))
    g_ptr_array_add (parameters, (gpointer) "SMTPUTF8");
  for (; *given != NULL; given++)
    if (!g_str_has_prefix (*given, "SIZE=") && !g_str_has_prefix (*given, "BODY=")
        && !g_str_equal (*given, "SMTPUTF8"))
      g_ptr_array_add (parameters, (gpointer) *given);
  g_ptr_array_add (parameters, NULL);
  return base_path_new (weir_mail_sender (job->mail), (const gchar *const *) parameters->pdata);
}

static gboolean
prepare (Job *job, GError **error)
{
  if (job->mail == NULL || job->mail->recipients->len == 0)
    {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_INCOMPLETE,
                   job->mail == NULL ? "no mail" : "a mail without recipients");
      return FALSE;
    }
  job->bytes = weir_mail_bytes (job->mail, &job->length, error);
  if (job->bytes == NULL)
    return FALSE;
  if (has_bare_newline (job->bytes, job->length))
    {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_CONTENT, "a bare CR or LF in the mail");
      return FALSE;
    }
  job->sender = describe (job);
  job->result = result_new (job->mail);
  return TRUE;
}

static void
send_to_all (Job *job, const gchar *host, guint port, gboolean implicit_tls)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < job->mail->recipients->len; i++)
    g_array_append_val (all, i);
  try_host (job, all, host, port, implicit_tls);
}

WeirRelayResult *
weir_relay_to_url (WeirRelay *relay, WeirMail *mail, const char *url, GError **error)
{
  Job job = { .relay = relay, .mail = mail };
  g_autofree gchar *host = NULL;
  gboolean implicit_tls = FALSE;
  guint port = 0;
  gboolean by_domain = g_str_equal (url, "mx:");

  job.log_in = !by_domain;
  job.lmtp = g_str_has_prefix (url, "lmtp:");

  if (!by_domain && !blocking_url_parse (url, &host, &port, &implicit_tls, error))
    return NULL;
  if (!prepare (&job, error))
    return NULL;
  if (by_domain)
    send_by_domains (&job);
  else
    send_to_all (&job, host, port, implicit_tls);
  base_path_free (job.sender);
  return job.result;
}
