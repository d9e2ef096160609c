/* The inside of a WeirTest, for the files of this folder only. */
#pragma once

#include <mailweir/test.h>

#include "chain/chain.h"
#include "worker/run.h"

struct _WeirTest
{
  ConfigSources *sources;
  Config *config;
  WorkerModules *modules;
  Worker *worker;
  Chain chain;
  ChainState *state;
  gboolean loses; /* what filters want to remember */
  gboolean over;  /* a message was run: the next hook is not of it any more */
  /* What every request says; argument, verb, status and message are of one run. */
  IpcRequest request;
  BaseEndpoint client;
  gboolean no_network; /* the client's address is none, as that of one by a UNIX socket */
};

/* Runs one request over the chain. Never NULL. */
WeirTestResult *testing_run (WeirTest *test, GBytes *message);
