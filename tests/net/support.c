/* Helpers of net's tests; see support.h. */
#include "support.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/proxy.h"

#include "ipc/control.h"

#define PATIENCE 20000 /* ms; only a hang reaches it */

/* ---- certificates ---- */

static void
add_extension (X509 *x509, X509 *issuer, int nid, const gchar *value)
{
  X509V3_CTX context;
  X509_EXTENSION *extension;

  X509V3_set_ctx (&context, issuer, x509, NULL, NULL, 0);
  extension = X509V3_EXT_conf_nid (NULL, &context, nid, value);
  g_assert_nonnull (extension);
  X509_add_ext (x509, extension, -1);
  X509_EXTENSION_free (extension);
}

static gchar *
to_pem (X509 *x509, EVP_PKEY *key)
{
  BIO *bio = BIO_new (BIO_s_mem ());
  gchar *data, *text;
  glong length;

  if (x509 != NULL)
    g_assert_cmpint (PEM_write_bio_X509 (bio, x509), ==, 1);
  else
    g_assert_cmpint (PEM_write_bio_PrivateKey (bio, key, NULL, NULL, 0, NULL, NULL), ==, 1);
  length = BIO_get_mem_data (bio, &data);
  text = g_strndup (data, (gsize) length);
  BIO_free (bio);
  return text;
}

TestPair *
test_pair_new (const gchar *name, const TestPair *issuer, gint days)
{
  static gint serial = 1;
  TestPair *pair = g_new0 (TestPair, 1);
  g_autofree gchar *alternative = NULL;
  struct in_addr address;

  pair->pkey = EVP_EC_gen ("P-256");
  pair->x509 = X509_new ();
  X509_set_version (pair->x509, 2);
  ASN1_INTEGER_set (X509_get_serialNumber (pair->x509), g_atomic_int_add (&serial, 1));
  X509_gmtime_adj (X509_getm_notBefore (pair->x509), -10 * 86400);
  X509_gmtime_adj (X509_getm_notAfter (pair->x509), (glong) days * 86400);
  X509_set_pubkey (pair->x509, pair->pkey);
  X509_NAME_add_entry_by_txt (X509_get_subject_name (pair->x509), "CN", MBSTRING_ASC,
                              (const guchar *) name, -1, -1, 0);
  X509_set_issuer_name (pair->x509,
                        X509_get_subject_name (issuer == NULL ? pair->x509 : issuer->x509));
  add_extension (pair->x509, issuer == NULL ? pair->x509 : issuer->x509, NID_basic_constraints,
                 issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
  alternative
      = g_strdup_printf ("%s:%s", inet_pton (AF_INET, name, &address) == 1 ? "IP" : "DNS", name);
  if (issuer != NULL)
    add_extension (pair->x509, issuer->x509, NID_subject_alt_name, alternative);
  g_assert_cmpint (
      X509_sign (pair->x509, issuer == NULL ? pair->pkey : issuer->pkey, EVP_sha256 ()), >, 0);
  pair->certificate = to_pem (pair->x509, NULL);
  pair->key = to_pem (NULL, pair->pkey);
  return pair;
}

void
test_pair_free (TestPair *pair)
{
  X509_free (pair->x509);
  EVP_PKEY_free (pair->pkey);
  g_free (pair->certificate);
  g_free (pair->key);
  g_free (pair);
}

/* ---- sockets ---- */

gint
test_listen (guint *port)
{
  struct sockaddr_in address
      = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof address;
  gint fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, length), ==, 0);
  g_assert_cmpint (listen (fd, 128), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *) &address, &length), ==, 0);
  *port = ntohs (address.sin_port);
  return fd;
}

gint
test_connect (guint port)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                                 .sin_port = htons ((guint16) port) };
  gint fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (connect (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  return fd;
}

/* ---- an upstream ---- */

typedef struct
{
  TestUpstream *upstream;
  gint fd;
  SSL *ssl;
  GString *unread;
  gboolean left; /* it is not counted as open any more */
} Peer;

/* Counted before the good-bye is said: whoever hears it may connect again at once. */
static void
peer_leave (Peer *peer)
{
  if (!peer->left)
    g_atomic_int_add (&peer->upstream->open, -1);
  peer->left = TRUE;
}

static gssize
peer_read (Peer *peer, gchar *bytes, gsize length)
{
  struct pollfd poll_fd = { .fd = peer->fd, .events = POLLIN };

  while (!g_atomic_int_get (&peer->upstream->stop))
    if ((peer->ssl != NULL && SSL_pending (peer->ssl) > 0) || poll (&poll_fd, 1, 20) > 0)
      return peer->ssl != NULL ? SSL_read (peer->ssl, bytes, (int) length)
                               : recv (peer->fd, bytes, length, 0);
  return 0;
}

static gchar *
peer_line (Peer *peer)
{
  gchar bytes[4096];
  gchar *end, *line;
  gssize got;

  while ((end = strstr (peer->unread->str, "\r\n")) == NULL)
    {
      got = peer_read (peer, bytes, sizeof bytes);
      if (got <= 0)
        return NULL;
      g_string_append_len (peer->unread, bytes, got);
    }
  line = g_strndup (peer->unread->str, (gsize) (end - peer->unread->str));
  g_string_erase (peer->unread, 0, end + 2 - peer->unread->str);
  return line;
}

static void
peer_say (Peer *peer, const gchar *text)
{
  if (peer->ssl != NULL)
    SSL_write (peer->ssl, text, (int) strlen (text));
  else
    send (peer->fd, text, strlen (text), MSG_NOSIGNAL);
}

static void
peer_starttls (Peer *peer)
{
  SSL_CTX *context = SSL_CTX_new (TLS_server_method ());

  peer_say (peer, "220 2.0.0 Go\r\n");
  SSL_CTX_use_certificate (context, peer->upstream->pair->x509);
  SSL_CTX_use_PrivateKey (context, peer->upstream->pair->pkey);
  peer->ssl = SSL_new (context);
  SSL_CTX_free (context);
  SSL_set_fd (peer->ssl, peer->fd);
  if (SSL_accept (peer->ssl) == 1)
    g_atomic_int_inc (&peer->upstream->encrypted);
}

static gboolean
peer_data (Peer *peer)
{
  peer_say (peer, "354 Go ahead\r\n");
  for (;;)
    {
      g_autofree gchar *line = peer_line (peer);
      if (line == NULL)
        return FALSE;
      if (strcmp (line, ".") == 0)
        break;
    }
  g_atomic_int_inc (&peer->upstream->messages);
  peer_say (peer, "250 2.0.0 Queued as TEST\r\n");
  return !peer->upstream->close_when_idle;
}

static gboolean
peer_obey (Peer *peer, const gchar *line)
{
  const TestUpstream *upstream = peer->upstream;

  if (g_str_has_prefix (line, "EHLO"))
    {
      g_autofree gchar *reply
          = g_strdup_printf ("250-upstream\r\n%s%s250 PIPELINING\r\n", upstream->extra,
                             upstream->pair != NULL && peer->ssl == NULL ? "250-STARTTLS\r\n" : "");
      peer_say (peer, reply);
    }
  else if (strcmp (line, "STARTTLS") == 0)
    peer_starttls (peer);
  else if (strcmp (line, "DATA") == 0)
    return peer_data (peer);
  else if (strcmp (line, "QUIT") == 0)
    {
      peer_leave (peer);
      peer_say (peer, "221 2.0.0 Bye\r\n");
      return FALSE;
    }
  else
    peer_say (peer, "250 2.0.0 Ok\r\n");
  return TRUE;
}

static void
peer_note (Peer *peer, const BaseProxyHeader *header)
{
  g_autofree gchar *source = base_endpoint_to_string (&header->source);
  const gchar *told = header->kind == BASE_PROXY_LOCAL     ? "LOCAL"
                      : header->kind == BASE_PROXY_UNKNOWN ? "UNKNOWN"
                                                           : source;

  g_mutex_lock (&peer->upstream->mutex);
  g_string_append_printf (peer->upstream->clients, "%s\n", told);
  g_mutex_unlock (&peer->upstream->mutex);
}

static gboolean
peer_take_header (Peer *peer)
{
  gchar bytes[4096];
  BaseProxyHeader header;
  BaseProxyResult result = BASE_PROXY_MORE;
  gsize used = 0;

  while (result == BASE_PROXY_MORE)
    {
      gssize got = peer_read (peer, bytes, sizeof bytes);
      if (got <= 0)
        return FALSE;
      g_string_append_len (peer->unread, bytes, got);
      result = base_proxy_parse ((const guint8 *) peer->unread->str, peer->unread->len, &header,
                                 &used, NULL);
    }
  g_assert_cmpint (result, ==, BASE_PROXY_DONE);
  g_string_erase (peer->unread, 0, (gssize) used);
  peer_note (peer, &header);
  return TRUE;
}

static gpointer
run_peer (gpointer data)
{
  Peer *peer = data;
  g_autofree gchar *greeting = g_strconcat (peer->upstream->greeting, "\r\n", NULL);
  gboolean going = !peer->upstream->proxied || peer_take_header (peer);

  peer_say (peer, greeting);
  while (going)
    {
      g_autofree gchar *line = peer_line (peer);
      going = line != NULL && peer_obey (peer, line);
    }
  SSL_free (peer->ssl);
  close (peer->fd);
  g_string_free (peer->unread, TRUE);
  peer_leave (peer);
  g_free (peer);
  return NULL;
}

static gpointer
run_upstream (gpointer data)
{
  TestUpstream *upstream = data;
  struct pollfd poll_fd = { .fd = upstream->fd, .events = POLLIN };
  g_autoptr (GPtrArray) threads = g_ptr_array_new ();

  while (!g_atomic_int_get (&upstream->stop))
    {
      Peer *peer;
      gint open;
      if (poll (&poll_fd, 1, 20) <= 0)
        continue;
      peer = g_new0 (Peer, 1);
      peer->upstream = upstream;
      peer->fd = accept (upstream->fd, NULL, NULL);
      setsockopt (peer->fd, IPPROTO_TCP, TCP_NODELAY, &(gint){ 1 }, sizeof (gint));
      peer->unread = g_string_new (NULL);
      g_atomic_int_inc (&upstream->connections);
      open = g_atomic_int_add (&upstream->open, 1) + 1;
      upstream->most_open = MAX (upstream->most_open, open);
      g_ptr_array_add (threads, g_thread_new ("peer", run_peer, peer));
    }
  for (guint i = 0; i < threads->len; i++)
    g_thread_join (g_ptr_array_index (threads, i));
  return NULL;
}

TestUpstream *
test_upstream_new (void)
{
  TestUpstream *upstream = g_new0 (TestUpstream, 1);

  upstream->greeting = "220 upstream ESMTP";
  upstream->extra = "";
  upstream->clients = g_string_new (NULL);
  g_mutex_init (&upstream->mutex);
  upstream->fd = test_listen (&upstream->port);
  return upstream;
}

void
test_upstream_start (TestUpstream *upstream)
{
  upstream->thread = g_thread_new ("upstream", run_upstream, upstream);
}

void
test_upstream_free (TestUpstream *upstream)
{
  g_atomic_int_set (&upstream->stop, 1);
  if (upstream->thread != NULL)
    g_thread_join (upstream->thread);
  close (upstream->fd);
  g_string_free (upstream->clients, TRUE);
  g_mutex_clear (&upstream->mutex);
  g_free (upstream);
}

/* ---- a service ---- */

static gpointer
run_service (gpointer data)
{
  net_service_run (data);
  return NULL;
}

static Config *
parse (TestService *service, const gchar *text, const gchar *const *secrets)
{
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autofree gchar *said = NULL;
  Config *config;

  service->sources = config_sources_new_files ();
  config_sources_add (service->sources, "test.conf", text);
  for (; secrets != NULL && secrets[0] != NULL; secrets += 2)
    config_sources_add (service->sources, secrets[0], secrets[1]);
  config = config_load (service->sources, "test.conf", errors);
  said = config_errors_to_string (errors);
  if (config == NULL)
    g_error ("%s", said);
  return config;
}

TestService *
test_service_new (const gchar *text, const gchar *const *secrets)
{
  TestService *service = g_new0 (TestService, 1);
  g_autoptr (GArray) facts = ipc_filter_facts_array_new ();
  g_autoptr (GError) error = NULL;
  gint fd = test_listen (&service->port);

  service->config = parse (service, text, secrets);
  g_array_set_size (facts, service->config->filters->len);
  service->handoff = ipc_handoff_new ();
  g_assert_true (ipc_channel_pair (service->control, &error));
  service->handoff->control = service->control[0];
  ipc_handoff_add_listener (service->handoff, 0, 0, fd);
  service->service
      = net_service_new (service->config, service->handoff, service->sources, facts, NULL, &error);
  g_assert_no_error (error);
  net_service_start (service->service, &error);
  g_assert_no_error (error);
  service->thread = g_thread_new ("service", run_service, service->service);
  return service;
}

void
test_service_order (TestService *service, IpcControlKind kind)
{
  g_autoptr (IpcControl) control = ipc_control_new (kind);
  g_autoptr (GError) error = NULL;

  ipc_control_send (service->control[1], control, &error);
  g_assert_no_error (error);
}

void
test_service_join (TestService *service)
{
  g_thread_join (g_steal_pointer (&service->thread));
}

void
test_service_free (TestService *service)
{
  if (service->thread != NULL)
    {
      test_service_order (service, IPC_CONTROL_HURRY);
      test_service_join (service);
    }
  net_service_free (service->service);
  close (service->control[0]);
  close (service->control[1]);
  close (g_array_index (service->handoff->listeners, IpcHandoffListener, 0).descriptor);
  ipc_handoff_free (service->handoff);
  config_free (service->config);
  config_sources_free (service->sources);
  g_free (service);
}

/* ---- a client ---- */

TestClient *
test_client_new (guint port)
{
  TestClient *client = g_new0 (TestClient, 1);

  client->fd = test_connect (port);
  return client;
}

void
test_client_free (TestClient *client)
{
  SSL_free (client->ssl);
  SSL_CTX_free (client->context);
  close (client->fd);
  g_free (client);
}

void
test_client_send (TestClient *client, const gchar *text)
{
  if (client->ssl != NULL)
    SSL_write (client->ssl, text, (int) strlen (text));
  else
    send (client->fd, text, strlen (text), MSG_NOSIGNAL);
}

static gboolean
read_byte (TestClient *client, gchar *byte)
{
  struct pollfd poll_fd = { .fd = client->fd, .events = POLLIN };

  if (client->ssl != NULL)
    return SSL_read (client->ssl, byte, 1) == 1;
  g_assert_cmpint (poll (&poll_fd, 1, PATIENCE), ==, 1);
  return recv (client->fd, byte, 1, 0) == 1;
}

gchar *
test_client_reply (TestClient *client)
{
  GString *reply = g_string_new (NULL);
  gsize line = 0;
  gchar byte;

  while (read_byte (client, &byte))
    {
      g_string_append_c (reply, byte);
      if (byte != '\n')
        continue;
      if (reply->len - line > 3 && reply->str[line + 3] == ' ')
        break;
      line = reply->len;
    }
  return g_string_free (reply, FALSE);
}

void
test_client_expect (TestClient *client, const gchar *line, const gchar *code)
{
  g_autofree gchar *reply = NULL;

  if (line != NULL)
    {
      g_autofree gchar *whole = g_strconcat (line, "\r\n", NULL);
      test_client_send (client, whole);
    }
  reply = test_client_reply (client);
  if (!g_str_has_prefix (reply, code))
    g_test_message ("%s: %s", line == NULL ? "greeting" : line, reply);
  g_assert_true (g_str_has_prefix (reply, code));
}

void
test_client_start_tls (TestClient *client, const gchar *server_name)
{
  client->context = SSL_CTX_new (TLS_client_method ());
  client->ssl = SSL_new (client->context);
  SSL_set_fd (client->ssl, client->fd);
  if (server_name != NULL)
    SSL_set_tlsext_host_name (client->ssl, server_name);
  g_assert_cmpint (SSL_connect (client->ssl), ==, 1);
}

void
test_client_deliver (TestClient *client, const gchar *code)
{
  test_client_expect (client, "MAIL FROM:<a@example.org>", "250");
  test_client_expect (client, "RCPT TO:<b@example.org>", "250");
  test_client_expect (client, "DATA", "354");
  test_client_expect (client, "Subject: test\r\n\r\nHello\r\n.", code);
}
