/* What the filters of a test are told about their session, and which hooks a test may run in it.
 * What is wrong with the use of it ends the test. */
#include <string.h>

#include "testing/private.h"

#define OF(hook) IPC_HOOK_BIT (IPC_HOOK_##hook)
/* Hooks that end a message that is under way. */
#define ENDS_MESSAGE (OF (HELO) | OF (EHLO) | OF (RSET) | OF (MESSAGE_OVER))
#define OF_MESSAGE (OF (MAIL) | OF (RCPT) | OF (DATA) | IPC_HOOKS_OF_HEADERS | IPC_HOOKS_OF_BODY)

/* ---- The session ---- */

static void
set (gchar **text, const gchar *value)
{
  gchar *copy = g_strdup (value);

  g_free (*text);
  *text = copy;
}

void
weir_test_set_client (WeirTest *test, const char *address, guint port, const char *name)
{
  g_autofree gchar *text = strchr (address, ':') != NULL ? g_strdup_printf ("[%s]:25", address)
                                                         : g_strdup_printf ("%s:25", address);

  test->no_network = !base_endpoint_parse (text, &test->client, NULL);
  set (&test->request.session.client_address, address);
  set (&test->request.session.client_name, name);
  test->request.session.client_port = port;
}

void
weir_test_set_helo (WeirTest *test, const char *domain)
{
  set (&test->request.session.helo, domain);
}

void
weir_test_set_user (WeirTest *test, const char *user, const char *mechanism)
{
  set (&test->request.session.user, user);
  set (&test->request.session.mechanism, mechanism);
}

void
weir_test_set_tls (WeirTest *test, const char *protocol, const char *cipher)
{
  set (&test->request.session.tls_protocol, protocol);
  set (&test->request.session.tls_cipher, cipher);
}

void
weir_test_set_sender (WeirTest *test, const char *sender, const char *const *parameters)
{
  BasePath *path = sender == NULL ? NULL : base_path_new (sender, parameters);

  base_path_free (test->request.sender);
  test->request.sender = path;
}

void
weir_test_set_recipients (WeirTest *test, const char *const *recipients)
{
  g_clear_pointer (&test->request.recipients, g_ptr_array_unref);
  test->request.recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  for (; *recipients != NULL; recipients++)
    weir_test_add_recipient (test, *recipients, NULL);
}

void
weir_test_add_recipient (WeirTest *test, const char *recipient, const char *const *parameters)
{
  g_ptr_array_add (test->request.recipients, base_path_new (recipient, parameters));
}

void
weir_test_lose_state (WeirTest *test, gboolean loses)
{
  test->loses = loses;
}

void
weir_test_end_session (WeirTest *test)
{
  chain_state_reset (test->state);
  test->over = FALSE;
}

gboolean
weir_test_needs_body (WeirTest *test)
{
  return (test->chain.hooks & IPC_HOOKS_OF_BODY) != 0;
}

/* ---- Hooks ---- */

static const BasePath *
last_recipient (const WeirTest *test)
{
  const GPtrArray *recipients = test->request.recipients;

  return recipients->len == 0 ? NULL : recipients->pdata[recipients->len - 1];
}

static void
end_message (WeirTest *test)
{
  if (test->over)
    chain_state_end_message (test->state);
  test->over = FALSE;
}

void
weir_test_set_note (WeirTest *test, const char *name, const char *value)
{
  end_message (test);
  chain_state_begin_message (test->state);
  chain_state_set_note (test->state, name, value);
}

void
weir_test_set_status (WeirTest *test, const char *status)
{
  set (&test->request.status, status);
}

static const gchar *
status_of (guint code)
{
  if (code == 0)
    return "aborted";
  return code < 400 ? "sent" : code < 500 ? "deferred" : "rejected";
}

/* Conditions see what they see in the gateway: at RCPT the recipient in question, from DATA on the
 * first one. */
static void
set_facts (WeirTest *test, IpcHook hook)
{
  const gboolean of_message = (IPC_HOOK_BIT (hook) & (OF_MESSAGE | OF (MESSAGE_OVER))) != 0;
  const BasePath *sender = of_message ? test->request.sender : NULL;
  const BasePath *last = hook == IPC_HOOK_RCPT ? last_recipient (test) : NULL;
  const GPtrArray *recipients = test->request.recipients;
  const BaseFacts facts = { .listener = "l",
                            .client = test->no_network ? NULL : &test->client,
                            .user = test->request.session.user,
                            .sender = sender == NULL ? NULL : sender->address,
                            .recipient = last == NULL ? NULL : last->address };

  chain_state_set_facts (test->state, &facts);
  if (of_message && hook != IPC_HOOK_MAIL && hook != IPC_HOOK_RCPT && recipients->len > 0)
    chain_state_set_recipient (test->state, ((BasePath *) recipients->pdata[0])->address);
}

static WeirTestResult *
run (WeirTest *test, IpcHook hook, GBytes *message)
{
  const guint32 bit = IPC_HOOK_BIT (hook);
  WeirTestResult *result;

  if (!ipc_hook_is_over (hook))
    end_message (test);
  if ((bit & OF_MESSAGE) != 0)
    chain_state_begin_message (test->state);
  set_facts (test, hook);
  test->request.hook = hook;
  result = testing_run (test, message);
  if ((bit & ENDS_MESSAGE) != 0)
    chain_state_end_message (test->state);
  test->over = message != NULL;
  return result;
}

/* What the session has to say where the caller says nothing. */
static const gchar *
default_argument (const WeirTest *test, IpcHook hook)
{
  const BasePath *last = last_recipient (test);

  switch (hook)
    {
    case IPC_HOOK_HELO:
    case IPC_HOOK_EHLO:
      return test->request.session.helo;
    case IPC_HOOK_MAIL:
      return test->request.sender == NULL ? NULL : test->request.sender->address;
    case IPC_HOOK_RCPT:
      return last == NULL ? NULL : last->address;
    default:
      return NULL;
    }
}

static IpcHook
find_hook (const char *name)
{
  guint number = 0;

  while (number < IPC_N_HOOKS && !g_str_equal (ipc_hook_name (number), name))
    number++;
  if (number == IPC_N_HOOKS
      || (IPC_HOOK_BIT (number) & (IPC_HOOKS_OF_HEADERS | IPC_HOOKS_OF_BODY)) != 0)
    g_error ("weir_test_run_hook: there is no hook \"%s\" that sees no message", name);
  return number;
}

WeirTestResult *
weir_test_run_hook (WeirTest *test, const char *hook, const char *argument, guint code)
{
  const IpcHook number = find_hook (hook);
  const gchar *text = argument != NULL ? argument : default_argument (test, number);
  WeirTestResult *result;

  if (number == IPC_HOOK_COMMAND)
    {
      const gsize verb = text == NULL ? 0 : strcspn (text, " ");

      if (verb == 0)
        g_error ("weir_test_run_hook: \"command\" needs a verb");
      test->request.verb = g_strndup (text, verb);
      text += verb + (text[verb] == ' ');
    }
  test->request.argument = g_strdup (text);
  test->request.code = code;
  if (number == IPC_HOOK_MESSAGE_OVER && test->request.status == NULL)
    set (&test->request.status, status_of (code));
  result = run (test, number, NULL);
  g_clear_pointer (&test->request.argument, g_free);
  g_clear_pointer (&test->request.verb, g_free);
  if (number == IPC_HOOK_MESSAGE_OVER)
    set (&test->request.status, NULL);
  return result;
}

WeirTestResult *
weir_test_run (WeirTest *test, const char *message, gsize length)
{
  g_autoptr (GBytes) bytes = g_bytes_new (message, length);
  const gboolean whole = weir_test_needs_body (test);
  WeirTestResult *result;

  test->request.message = bytes;
  test->request.message_size = length;
  result = run (test, whole ? IPC_HOOK_END_OF_MESSAGE : IPC_HOOK_END_OF_HEADERS, bytes);
  test->request.message = NULL;
  test->request.message_size = 0;
  return result;
}

WeirTestResult *
weir_test_run_envelope (WeirTest *test, const char *message, gsize length, const char *sender,
                        const char *const *recipients)
{
  weir_test_set_sender (test, sender, NULL);
  weir_test_set_recipients (test, recipients);
  return weir_test_run (test, message, length);
}

/* ---- A whole session ---- */

/* A result that ends the session; else it is freed. */
static WeirTestResult *
unless_passed (WeirTestResult *result)
{
  if (result->verdict != WEIR_TEST_PASS)
    return result;
  weir_test_result_free (result);
  return NULL;
}

static WeirTestResult *
run_recipients (WeirTest *test)
{
  g_autoptr (GPtrArray) all = g_steal_pointer (&test->request.recipients);
  WeirTestResult *refusal = NULL;

  weir_test_set_recipients (test, (const gchar *const[]){ NULL });
  for (guint i = 0; i < all->len; i++)
    {
      WeirTestResult *result;

      g_ptr_array_add (test->request.recipients, base_path_copy (all->pdata[i]));
      result = unless_passed (weir_test_run_hook (test, "rcpt", NULL, 0));
      if (result == NULL)
        continue;
      g_clear_pointer (&refusal, weir_test_result_free);
      refusal = result;
      if (result->code < 400 || result->closes)
        return refusal;
      g_ptr_array_set_size (test->request.recipients, (gint) test->request.recipients->len - 1);
    }
  if (test->request.recipients->len > 0)
    g_clear_pointer (&refusal, weir_test_result_free);
  return refusal;
}

static WeirTestResult *
run_until_refused (WeirTest *test, const char *message, gsize length)
{
  static const char *const before[] = { "connect", "ehlo", "mail" };
  WeirTestResult *result = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (before) && result == NULL; i++)
    result = unless_passed (weir_test_run_hook (test, before[i], NULL, 0));
  if (result == NULL)
    result = run_recipients (test);
  if (result == NULL)
    result = unless_passed (weir_test_run_hook (test, "data", NULL, 0));
  return result != NULL ? result : weir_test_run (test, message, length);
}

WeirTestResult *
weir_test_run_session (WeirTest *test, const char *message, gsize length)
{
  WeirTestResult *result = run_until_refused (test, message, length);
  const guint code = result->code != 0 ? result->code : 250;

  if (result->verdict == WEIR_TEST_DISCARDED)
    weir_test_set_status (test, "discarded");
  if (result->verdict == WEIR_TEST_QUARANTINED)
    weir_test_set_status (test, "quarantined");
  weir_test_result_free (weir_test_run_hook (test, "message_over", result->reply, code));
  weir_test_result_free (weir_test_run_hook (test, "quit", NULL, 0));
  weir_test_result_free (weir_test_run_hook (test, "session_over", NULL, 0));
  weir_test_end_session (test);
  return result;
}
