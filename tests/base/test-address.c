/* Tests of paths as clients send them: what passes, what is refused and why, and the limits. */
#include "base/address.h"

#include <string.h>

#define MAIL (BASE_PATH_NULL)
#define RCPT (BASE_PATH_POSTMASTER)

typedef struct
{
  const gchar *text;
  BasePathFlags flags;
  const gchar *address; /* NULL: refused with `code` */
  gsize used;
  BaseAddressError code;
} Case;

/* Parses an exact copy, so that a read past its end is seen. */
static gchar *
parse (const gchar *text, gsize length, BasePathFlags flags, gsize *used, GError **error)
{
  g_autofree gchar *copy = g_memdup2 (text, MAX (length, 1));

  return base_path_parse (copy, length, flags, used, error);
}

static void
check (const Case *one)
{
  g_autoptr (GError) error = NULL;
  gsize used = 99;

  g_autofree gchar *shown = g_strescape (one->text, NULL);
  g_test_message ("%s", shown);
  g_autofree gchar *address = parse (one->text, strlen (one->text), one->flags, &used, &error);
  g_assert_cmpstr (address, ==, one->address);
  g_assert_cmpuint (used, ==, one->used);
  if (one->address == NULL)
    g_assert_error (error, BASE_ADDRESS_ERROR, (gint) one->code);
  else
    g_assert_no_error (error);
}

static void
test_accepted (void)
{
  static const Case cases[] = {
    { "<a@example.org>", MAIL, "a@example.org", 15, 0 },
    { "<a@example.org> SIZE=1", MAIL, "a@example.org", 15, 0 },
    { "a@example.org SIZE=1", MAIL, "a@example.org", 13, 0 },
    { "a@example.org", MAIL, "a@example.org", 13, 0 },
    { "<>", MAIL, "", 2, 0 },
    { "<> SIZE=1", MAIL, "", 2, 0 },
    { "<Postmaster>", RCPT, "Postmaster", 12, 0 },
    { "<postMASTER>", RCPT, "postMASTER", 12, 0 },
    { "<@a.example,@[127.0.0.1],@[IPv6:::1]:u@b.example>", RCPT, "u@b.example", 49, 0 },
    { "<\"a b>@<\"@example.org>", RCPT, "\"a b>@<\"@example.org", 22, 0 },
    { "<\"a\\\"b\\\\\"@example.org> X", RCPT, "\"a\\\"b\\\\\"@example.org", 22, 0 },
    { "<\"\"@example.org>", RCPT, "\"\"@example.org", 16, 0 },
    { "\"a b\"@example.org X", RCPT, "\"a b\"@example.org", 17, 0 },
    { "<x.\"y z\".w@example.org>", RCPT, "x.\"y z\".w@example.org", 23, 0 },
    { "<u@[192.0.2.1]>", RCPT, "u@[192.0.2.1]", 15, 0 },
    { "<u@[IPv6:2001:db8::1]>", RCPT, "u@[IPv6:2001:db8::1]", 22, 0 },
    { "<a..b.@some_host.example.org.>", RCPT, "a..b.@some_host.example.org.", 30, 0 },
    { "<!#$%&'*+-/=?^_`{|}~@example.org>", RCPT, "!#$%&'*+-/=?^_`{|}~@example.org", 33, 0 },
    { "<bounce+a=b.c@example.org>", MAIL, "bounce+a=b.c@example.org", 26, 0 },
    { "<\xc3\xbc@\xc3\xbc.example>", MAIL | BASE_PATH_UTF8, "\xc3\xbc@\xc3\xbc.example", 15, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check (&cases[i]);
}

static void
test_refused (void)
{
  static const Case cases[] = {
    { "", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { " a@b", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a@b", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a b@c>", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "< a@b>", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a@b >", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<<a@b>>", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "a<b@c", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a\r\n@b>", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<\"a\tb\"@c>", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<\"a\\\nb\"@c>", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a\x7f@b>", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<\"a@b>", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<\"a\\", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a\\@b@c>", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a\\>", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a@b@c>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<@b>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<@b:>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<@b,c:u@d>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<@b,@c u@d>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<@:u@d>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<@a,>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a@>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<root>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<postmaster>", MAIL, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<postmasters>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a@b..c>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a@.b>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a@b\"c>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a@b,c>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a@[b]c]>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a@[]>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<\xc3\xbc@example.org>", RCPT, NULL, 0, BASE_ADDRESS_ERROR_UTF8 },
    { "<\xc3@example.org>", RCPT | BASE_PATH_UTF8, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
    { "<a@\xff.org>", RCPT | BASE_PATH_UTF8, NULL, 0, BASE_ADDRESS_ERROR_SYNTAX },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check (&cases[i]);
}

static void
test_nul (void)
{
  g_autoptr (GError) error = NULL;
  gsize used;

  g_assert_null (parse ("<a\0b@c>", 7, MAIL, &used, &error));
  g_assert_error (error, BASE_ADDRESS_ERROR, BASE_ADDRESS_ERROR_SYNTAX);
  g_clear_error (&error);
  g_assert_null (parse ("<a@b\0c>", 7, MAIL, &used, &error));
  g_assert_error (error, BASE_ADDRESS_ERROR, BASE_ADDRESS_ERROR_SYNTAX);
  g_clear_error (&error);
  g_assert_null (parse ("<\"\0\"@c>", 7, MAIL, &used, &error));
  g_assert_error (error, BASE_ADDRESS_ERROR, BASE_ADDRESS_ERROR_SYNTAX);
}

/* An address with a local part and a domain of these lengths. */
static void
check_length (gsize local, gsize domain, gint code)
{
  g_autofree gchar *name = g_strnfill (local, 'l');
  g_autofree gchar *host = g_strnfill (domain, 'd');
  g_autofree gchar *text = g_strdup_printf ("<%s@%s>", name, host);
  g_autoptr (GError) error = NULL;
  gsize used;

  g_autofree gchar *address = parse (text, strlen (text), MAIL, &used, &error);
  if (code < 0)
    g_assert_no_error (error);
  else
    g_assert_error (error, BASE_ADDRESS_ERROR, code);
  g_assert_true ((address == NULL) == (code >= 0));
}

static void
test_limits (void)
{
  check_length (BASE_ADDRESS_MAX_LOCAL + 1, 10, -1);
  check_length (1, BASE_ADDRESS_MAX_DOMAIN, -1);
  check_length (1, BASE_ADDRESS_MAX_DOMAIN + 1, BASE_ADDRESS_ERROR_TOO_LONG);
  check_length (BASE_ADDRESS_MAX_PATH - 11, 10, -1);
  check_length (BASE_ADDRESS_MAX_PATH - 10, 10, BASE_ADDRESS_ERROR_TOO_LONG);
}

static void
test_message (void)
{
  g_autoptr (GError) error = NULL;
  gsize used;

  g_assert_null (parse ("<a\r\n b@c>", 9, MAIL, &used, &error));
  g_assert_nonnull (strstr (error->message, "a?? b@c"));
  g_assert_null (strpbrk (error->message, "\r\n"));
}

/* No octets may do more than fail, and what passes keeps its promise. */
static void
test_random (void)
{
  static const gchar alphabet[] = "<>@\"\\ ,:.a[]\t\xc3\xbc";

  for (guint i = 0; i < 50000; i++)
    {
      gchar text[24];
      gsize length = (gsize) g_test_rand_int_range (0, sizeof text);
      gsize used = 0;
      for (gsize j = 0; j < length; j++)
        text[j] = alphabet[g_test_rand_int_range (0, sizeof alphabet)];
      g_autofree gchar *address = parse (text, length, MAIL | RCPT | BASE_PATH_UTF8, &used, NULL);
      g_assert_cmpuint (used, <=, length);
      if (address == NULL)
        continue;
      const gchar *domain = base_address_domain (address);
      g_assert_true (address[0] == '\0' || domain != NULL);
      g_assert_true (domain == NULL || base_domain_is_strict (domain, strlen (domain)));
    }
}

static void
test_domain (void)
{
  g_assert_cmpstr (base_address_domain ("a@b.c"), ==, "b.c");
  g_assert_cmpstr (base_address_domain ("\"a@x\\\"@y\"@b.c"), ==, "b.c");
  g_assert_null (base_address_domain (""));
  g_assert_null (base_address_domain ("postmaster"));
  g_assert_null (base_address_domain ("\"a@b\""));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/address/accepted", test_accepted);
  g_test_add_func ("/base/address/refused", test_refused);
  g_test_add_func ("/base/address/nul", test_nul);
  g_test_add_func ("/base/address/limits", test_limits);
  g_test_add_func ("/base/address/message", test_message);
  g_test_add_func ("/base/address/random", test_random);
  g_test_add_func ("/base/address/domain", test_domain);
  return g_test_run ();
}
