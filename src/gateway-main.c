/* The executable mailweir-gateway: event loops, SMTP to clients and upstreams, TLS keys; no filter
 * and no MIME. Started by the generation alone, with the descriptors and arguments of
 * ipc/handoff.h. Exits 0 once drained, 64 for a malformed hand-over, 78 when the configuration
 * cannot be used. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/handoff.h"
#include "net/control.h"
#include "net/service.h"

#define LOG_LEVELS_BEGIN BASE_LOG_ERROR /* the configuration's choices count from here */

/* Orders come over the control channel. A terminal's Ctrl-C reaches the whole process group, and
 * only the supervisor may act on it. */
static void
ignore_signals (void)
{
  static const int ignored[] = { SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGQUIT };

  for (guint i = 0; i < G_N_ELEMENTS (ignored); i++)
    signal (ignored[i], SIG_IGN);
}

/* Each session and each upstream connection is a descriptor: take all that we may have. */
static void
raise_descriptor_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
    return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit (RLIMIT_NOFILE, &limit);
}

/* Workers run as the same user: none of them may look into the memory that holds the keys. The leak
 * checker of a sanitized build looks into it by the same way and must be let. */
static void
hide_memory (void)
{
#ifndef __SANITIZE_ADDRESS__
  (void) prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* libuv's threads look names up and write deliveries: enough of them that a few slow name servers
 * do not hold the disks up. Its own default is 4. */
static void
size_thread_pool (void)
{
  g_setenv ("UV_THREADPOOL_SIZE", "16", FALSE);
}

static ConfigSources *
open_bundle (gint fd, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;

  if (fd < 0)
    return config_sources_new_files ();
  bytes = ipc_handoff_load (fd, error);
  return bytes == NULL ? NULL : config_sources_new_bundle (bytes, error);
}

static Config *
load_config (const IpcHandoff *handoff, GError **error)
{
  g_autoptr (ConfigSources) sources = open_bundle (handoff->sources, error);
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autofree gchar *text = NULL;
  Config *config;

  if (sources == NULL)
    return NULL;
  config = config_load (sources, handoff->config, errors);
  if (config != NULL)
    return config;
  text = config_errors_to_string (errors);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s", text);
  return NULL;
}

static NetService *
make_service (Config *config, const IpcHandoff *handoff, NetLogWriter *log, GError **error)
{
  g_autoptr (ConfigSources) secrets = open_bundle (handoff->secrets, error);
  g_autoptr (GArray) facts = NULL;

  if (secrets == NULL)
    return NULL;
  facts = net_control_wait_for_filters (handoff->control, error);
  if (facts == NULL)
    return NULL;
  if (facts->len != config->filters->len)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                   "the generation named %u filters, the configuration has %u", facts->len,
                   config->filters->len);
      return NULL;
    }
  return net_service_new (config, handoff, secrets, facts, log, error);
}

/* Each loop has copies of its own. A socket that we kept open beyond them would go on taking
 * connections that nobody accepts, once loops and supervisor have let go of it. */
static void
close_listeners (const IpcHandoff *handoff)
{
  for (guint i = 0; i < handoff->listeners->len; i++)
    close (g_array_index (handoff->listeners, IpcHandoffListener, i).descriptor);
}

static int
serve (Config *config, const IpcHandoff *handoff, NetLogWriter *log, GError **error)
{
  NetService *service = make_service (config, handoff, log, error);
  gboolean ready;

  if (service == NULL)
    return EX_CONFIG;
  ready = net_service_start (service, error);
  close_listeners (handoff);
  ready = ready && net_control_report (handoff->control, NULL, error);
  if (ready)
    net_service_run (service);
  else if (service->n_loops > 0)
    return EX_OSERR; /* loops may be running: the process ends with them */
  net_service_free (service);
  return ready ? EX_OK : EX_OSERR;
}

static int
run (const IpcHandoff *handoff)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Config) config = load_config (handoff, &error);
  NetLogWriter *log = NULL;
  int status = EX_CONFIG;

  if (config != NULL)
    {
      base_log_setup ("gateway", handoff->log_format,
                      (BaseLogLevel) (LOG_LEVELS_BEGIN + config->log_level));
      log = net_log_writer_new (STDERR_FILENO, 0);
      base_log_set_sink (net_log_writer_sink, log);
      status = serve (config, handoff, log, &error);
    }
  if (error != NULL)
    {
      base_log (BASE_LOG_ERROR, "%s", error->message);
      net_control_report (handoff->control, error->message, NULL);
    }
  base_log_set_sink (NULL, NULL);
  if (log != NULL)
    net_log_writer_free (log);
  return status;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (IpcHandoff) handoff = NULL;
  int status;

  hide_memory ();
  ignore_signals ();
  size_thread_pool ();
  handoff = ipc_handoff_parse (argc - 1, argv + 1, &error);
  if (handoff == NULL)
    {
      base_log (BASE_LOG_ERROR, "mailweir-gateway is started by mailweir: %s", error->message);
      return EX_USAGE;
    }
  raise_descriptor_limit ();
  status = run (handoff);
  /* Not exit(): its handlers would wait for a name look-up that nobody needs any more. */
  _exit (status);
}
