/* What the tests of net share: certificates made on the spot, an upstream server in a thread, a
 * gateway service in a thread, a client with a blocking socket. Everything fails by g_assert: these
 * are tests. All traffic stays on 127.0.0.1. */
#pragma once

#include <openssl/ssl.h>

#include "ipc/control.h"
#include "net/service.h"

/* ---- certificates ---- */

typedef struct
{
  gchar *certificate; /* PEM */
  gchar *key;         /* PEM */
  X509 *x509;
  EVP_PKEY *pkey;
} TestPair;

/* Signed by `issuer` (NULL: by itself, an authority). `name`: subject and DNS or IP name in
 * subjectAltName. `days`: from now; negative: expired. */
TestPair *test_pair_new (const gchar *name, const TestPair *issuer, gint days);
void test_pair_free (TestPair *pair);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestPair, test_pair_free)

/* ---- sockets ---- */

gint test_listen (guint *port);
gint test_connect (guint port);

/* ---- an upstream ---- */

typedef struct
{
  gint fd;
  guint port;
  GThread *thread;
  const gchar *greeting;    /* whole line without CRLF */
  const gchar *extra;       /* keyword lines of the EHLO reply, "250-SIZE 100\r\n…" */
  const TestPair *pair;     /* NULL: no STARTTLS */
  gboolean close_when_idle; /* after each message */
  gboolean proxied;         /* a PROXY header comes first on each connection */
  GMutex mutex;
  GString *clients; /* what they told, one a line: the client's endpoint, "UNKNOWN" or "LOCAL" */
  gint connections, open, most_open, messages, encrypted; /* atomic */
  gint stop;
} TestUpstream;

TestUpstream *test_upstream_new (void);
/* Begins to accept. */
void test_upstream_start (TestUpstream *upstream);
void test_upstream_free (TestUpstream *upstream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestUpstream, test_upstream_free)

/* ---- a service ---- */

typedef struct
{
  Config *config;
  ConfigSources *sources;
  IpcHandoff *handoff;
  NetService *service;
  gint control[2]; /* [1] is ours */
  guint port;
  GThread *thread;
} TestService;

/* `text`: a configuration with one listener. `secrets`: path, PEM, path, PEM …, NULL; may be NULL.
 */
TestService *test_service_new (const gchar *text, const gchar *const *secrets);
void test_service_order (TestService *service, IpcControlKind kind);
/* Waits until it has ended by itself. */
void test_service_join (TestService *service);
/* Tells it to hurry, waits. */
void test_service_free (TestService *service);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestService, test_service_free)

/* ---- a client ---- */

typedef struct
{
  gint fd;
  SSL *ssl;
  SSL_CTX *context;
} TestClient;

TestClient *test_client_new (guint port);
void test_client_free (TestClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestClient, test_client_free)
void test_client_send (TestClient *client, const gchar *text);
/* One whole reply; "" at the end of the connection. Caller frees. */
gchar *test_client_reply (TestClient *client);
/* Sends the line and CRLF; the reply must begin with `code`. */
void test_client_expect (TestClient *client, const gchar *line, const gchar *code);
void test_client_start_tls (TestClient *client, const gchar *server_name);
/* A whole transaction with a small message; the final reply must begin with `code`. */
void test_client_deliver (TestClient *client, const gchar *code);
