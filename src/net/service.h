/* The gateway process as a whole: what all loops share, and their common beginning and end.
 *
 * The main thread has a loop of its own (control channel, status); sessions live on the others.
 * What stands here is made before they start and read-only afterwards, or guards itself. */
#pragma once

#include "config/config.h"
#include "gateway/session.h"
#include "ipc/handoff.h"
#include "net/hosts.h"
#include "net/admission.h"
#include "net/log-writer.h"
#include "net/loop.h"
#include "net/tls.h"
#include "net/workers.h"

typedef struct _NetService NetService;

struct _NetService
{
  Config *config;            /* borrowed */
  const IpcHandoff *handoff; /* borrowed */
  NetLogWriter *log;         /* borrowed; NULL: none */
  NetTlsServer *tls;         /* NULL: no tls block */
  NetHosts *hosts;
  NetAdmission *admission;
  GatewayListener **listeners; /* by ConfigListener.index */
  NetWorkersShared workers;
  NetLoop *main;
  NetLoop **loops;
  guint n_loops;
  gint64 started; /* wall clock, seconds */
  /* Touched by the main thread alone. */
  guint busy; /* loops that still have sessions, while draining */
  gboolean draining, hurry;
  NetTimer drain; /* of the main loop */
  struct _NetControl *control;
  struct _NetStatus *status;
};

/* Builds contexts, listeners and loops; nothing runs. `facts`: of IpcFilterFacts, one for each
 * configured filter. NULL: error. */
NetService *net_service_new (Config *config, const IpcHandoff *handoff, ConfigSources *secrets,
                             const GArray *facts, NetLogWriter *log, GError **error);
/* Starts the loops, begins to accept and to ask the hosts. FALSE: error. */
gboolean net_service_start (NetService *service, GError **error);
/* Serves until it has drained; in the main thread. */
void net_service_run (NetService *service);
void net_service_free (NetService *service); /* NULL is fine; after net_service_run() */

/* In the main thread. `hurry`: nothing but final answers is waited for. */
void net_service_drain (NetService *service, gboolean hurry);
/* From a loop that drains and has no session left. */
void net_service_loop_is_empty (NetLoop *loop);
