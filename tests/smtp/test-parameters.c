/* EHLO keywords and ESMTP parameters: read, compared, written, checked, and what an upstream must
 * offer for them. */
#include "smtp/parameters.h"

#include <string.h>

static void
parse_lines (SmtpCapabilities *capabilities, const gchar *lines)
{
  g_auto (GStrv) split = g_strsplit (lines, "\n", -1);

  for (gchar **line = split; *line != NULL; line++)
    smtp_capabilities_parse_line (capabilities, *line, strlen (*line));
}

static void
test_capabilities_parse (void)
{
  SmtpCapabilities c = { 0, 0 };

  parse_lines (&c, "pipelining\nSIZE 1000\nAUTH PLAIN LOGIN\nX-FOO\nPIPELININGS\n8BITMIME \n");
  g_assert_cmpuint (c.flags, ==,
                    SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_AUTH | SMTP_CAP_8BITMIME
                        | SMTP_CAP_AUTH_PLAIN | SMTP_CAP_AUTH_LOGIN);
  g_assert_cmpuint (c.size, ==, 1000);
  parse_lines (&c, "SIZE");
  g_assert_cmpuint (c.size, ==, 0);
  parse_lines (&c, "SIZE 99999999999999999999999");
  g_assert_cmpuint (c.size, ==, 0);
  parse_lines (&c, "SIZE 12x");
  g_assert_cmpuint (c.size, ==, 0);
}

static void
test_capabilities_lines (void)
{
  SmtpCapabilities c = { SMTP_CAP_SIZE | SMTP_CAP_DSN | SMTP_CAP_AUTH, 25 };
  g_autofree gchar *lines = smtp_capabilities_to_lines (c);
  g_autofree gchar *none = smtp_capabilities_to_lines ((SmtpCapabilities){ 0, 0 });
  SmtpCapabilities back = { 0, 0 };

  g_assert_cmpstr (lines, ==, "SIZE 25\nDSN");
  g_assert_cmpstr (none, ==, "");
  parse_lines (&back, lines);
  g_assert_cmpuint (back.flags, ==, SMTP_CAP_SIZE | SMTP_CAP_DSN);
  g_assert_cmpuint (back.size, ==, 25);
}

static void
test_mechanisms (void)
{
  SmtpCapabilities a = { 0, 0 };
  SmtpCapabilities b = { 0, 0 };

  parse_lines (&a, "AUTH plain EXTERNAL SCRAM-SHA-256-PLUS scram-sha-256 PLAINER GSSAPI CRAM-MD5");
  parse_lines (&b, "AUTH=LOGIN PLAIN\nAUTH SCRAM-SHA-256\nSIZE");
  g_autofree gchar *of_a = smtp_capabilities_mechanisms (a);
  g_autofree gchar *of_b = smtp_capabilities_mechanisms (b);
  g_autofree gchar *both = smtp_capabilities_mechanisms (smtp_capabilities_intersect (a, b));
  g_assert_cmpstr (of_a, ==, "SCRAM-SHA-256 CRAM-MD5 PLAIN");
  g_assert_cmpstr (of_b, ==, "SCRAM-SHA-256 PLAIN LOGIN");
  g_assert_cmpstr (both, ==, "SCRAM-SHA-256 PLAIN");
  g_assert_null (smtp_capabilities_mechanisms ((SmtpCapabilities){ 0xffff, 0 }));
}

static void
test_capabilities_intersect (void)
{
  SmtpCapabilities a = { SMTP_CAP_SIZE | SMTP_CAP_DSN, 100 };
  SmtpCapabilities b = { SMTP_CAP_SIZE | SMTP_CAP_SMTPUTF8, 50 };
  SmtpCapabilities unlimited = { SMTP_CAP_SIZE, 0 };

  g_assert_cmpuint (smtp_capabilities_intersect (a, b).flags, ==, SMTP_CAP_SIZE);
  g_assert_cmpuint (smtp_capabilities_intersect (a, b).size, ==, 50);
  g_assert_cmpuint (smtp_capabilities_intersect (a, unlimited).size, ==, 100);
  g_assert_cmpuint (smtp_capabilities_intersect (unlimited, b).size, ==, 50);
  g_assert_cmpuint (smtp_capabilities_intersect (unlimited, unlimited).size, ==, 0);
}

/* "CODE" of the refusal of one parameter, 0: it passes. */
static guint
check (SmtpParameterSide side, const gchar *parameter, guint32 flags)
{
  const gchar *parameters[] = { parameter, NULL };
  g_autoptr (BasePath) path = base_path_new ("a@x", parameters);
  g_autoptr (BaseReply) refusal = smtp_parameters_check (path, side, flags, 1000);

  if (refusal == NULL)
    return 0;
  g_assert_true (base_reply_is_valid (refusal));
  return refusal->code;
}

static const struct
{
  SmtpParameterSide side;
  const gchar *parameter;
  guint32 flag; /* with it, `code`; without it, 555 */
  guint code;
} values[] = {
  { SMTP_PARAMETER_OF_MAIL, "BODY=7BIT", SMTP_CAP_8BITMIME, 0 },
  { SMTP_PARAMETER_OF_MAIL, "BODY=8bitmime", SMTP_CAP_8BITMIME, 0 },
  { SMTP_PARAMETER_OF_MAIL, "BODY=BINARYMIME", SMTP_CAP_8BITMIME, 555 },
  { SMTP_PARAMETER_OF_MAIL, "BODY=BINARYMIME", SMTP_CAP_8BITMIME | SMTP_CAP_BINARYMIME, 0 },
  { SMTP_PARAMETER_OF_MAIL, "BODY=", SMTP_CAP_8BITMIME, 501 },
  { SMTP_PARAMETER_OF_MAIL, "SIZE=1000", SMTP_CAP_SIZE, 0 },
  { SMTP_PARAMETER_OF_MAIL, "SIZE=1001", SMTP_CAP_SIZE, 552 },
  { SMTP_PARAMETER_OF_MAIL, "SIZE=00000000000000000001", SMTP_CAP_SIZE, 0 },
  { SMTP_PARAMETER_OF_MAIL, "SIZE=000000000000000000001", SMTP_CAP_SIZE, 501 },
  { SMTP_PARAMETER_OF_MAIL, "SIZE=-1", SMTP_CAP_SIZE, 501 },
  { SMTP_PARAMETER_OF_MAIL, "RET=full", SMTP_CAP_DSN, 0 },
  { SMTP_PARAMETER_OF_MAIL, "RET=HALF", SMTP_CAP_DSN, 501 },
  { SMTP_PARAMETER_OF_MAIL, "ENVID=a+2Bb", SMTP_CAP_DSN, 0 },
  { SMTP_PARAMETER_OF_MAIL, "ENVID=a+2bb", SMTP_CAP_DSN, 501 },
  { SMTP_PARAMETER_OF_MAIL, "ENVID=a+2", SMTP_CAP_DSN, 501 },
  { SMTP_PARAMETER_OF_MAIL, "ENVID=a=b", SMTP_CAP_DSN, 501 },
  { SMTP_PARAMETER_OF_MAIL, "AUTH=<>", SMTP_CAP_AUTH, 0 },
  { SMTP_PARAMETER_OF_MAIL, "AUTH=a+40x", SMTP_CAP_AUTH, 0 },
  { SMTP_PARAMETER_OF_MAIL, "AUTH=a=x", SMTP_CAP_AUTH, 501 },
  { SMTP_PARAMETER_OF_MAIL, "SMTPUTF8", SMTP_CAP_SMTPUTF8, 0 },
  { SMTP_PARAMETER_OF_MAIL, "NOTIFY=NEVER", SMTP_CAP_DSN, 555 },
  { SMTP_PARAMETER_OF_RCPT, "NOTIFY=never", SMTP_CAP_DSN, 0 },
  { SMTP_PARAMETER_OF_RCPT, "NOTIFY=SUCCESS,FAILURE,DELAY", SMTP_CAP_DSN, 0 },
  { SMTP_PARAMETER_OF_RCPT, "NOTIFY=SUCCESS,", SMTP_CAP_DSN, 501 },
  { SMTP_PARAMETER_OF_RCPT, "NOTIFY=SUCCESS,NEVER", SMTP_CAP_DSN, 501 },
  { SMTP_PARAMETER_OF_RCPT, "NOTIFY", SMTP_CAP_DSN, 501 },
  { SMTP_PARAMETER_OF_RCPT, "ORCPT=rfc822;a@x", SMTP_CAP_DSN, 0 },
  { SMTP_PARAMETER_OF_RCPT, "ORCPT=;a@x", SMTP_CAP_DSN, 501 },
  { SMTP_PARAMETER_OF_RCPT, "ORCPT=rfc822;", SMTP_CAP_DSN, 501 },
  { SMTP_PARAMETER_OF_RCPT, "ORCPT=rfc822;\xc3\xa4@x", SMTP_CAP_DSN | SMTP_CAP_SMTPUTF8, 501 },
  { SMTP_PARAMETER_OF_RCPT, "ORCPT=utf-8;\xc3\xa4@x", SMTP_CAP_DSN | SMTP_CAP_SMTPUTF8, 0 },
  { SMTP_PARAMETER_OF_RCPT, "ORCPT=utf-8;\xc3\xa4@x", SMTP_CAP_DSN, 501 },
  { SMTP_PARAMETER_OF_RCPT, "ORCPT=utf-8;\xc3@x", SMTP_CAP_DSN | SMTP_CAP_SMTPUTF8, 501 },
  { SMTP_PARAMETER_OF_RCPT, "RET=FULL", SMTP_CAP_DSN, 555 },
  { SMTP_PARAMETER_OF_RCPT, "FOO", ~0u, 555 },
};

static void
test_values (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_test_message ("row %u", i);
      g_assert_cmpuint (check (values[i].side, values[i].parameter, values[i].flag), ==,
                        values[i].code);
      g_assert_cmpuint (check (values[i].side, values[i].parameter, 0), ==, 555);
    }
}

static void
test_needs (void)
{
  static const gchar *const parameters[]
      = { "SIZE=10", "BODY=8BITMIME", "SMTPUTF8", "ENVID=x", "AUTH=<>", NULL };
  g_autoptr (BasePath) all = base_path_new ("a@x", parameters);
  g_autoptr (BasePath) utf8 = base_path_new ("\xc3\xa4@x", NULL);
  g_autoptr (BasePath) plain = base_path_new ("", NULL);

  g_assert_cmpuint (smtp_parameters_needs (all), ==,
                    SMTP_CAP_8BITMIME | SMTP_CAP_SMTPUTF8 | SMTP_CAP_DSN | SMTP_CAP_AUTH);
  g_assert_cmpuint (smtp_parameters_needs (utf8), ==, SMTP_CAP_SMTPUTF8);
  g_assert_cmpuint (smtp_parameters_needs (plain), ==, 0);
  g_assert_cmpuint (smtp_parameter_needs ("BODY=7BIT"), ==, 0);
  g_assert_cmpuint (smtp_parameter_needs ("BODY=BINARYMIME"), ==, SMTP_CAP_BINARYMIME);
  g_assert_cmpuint (smtp_parameter_needs ("NOTIFY=NEVER"), ==, SMTP_CAP_DSN);
}

static void
test_parse (void)
{
  g_auto (GStrv) parameters = NULL;
  g_autoptr (BaseReply) refusal = NULL;

  g_assert_true (smtp_parameters_parse ("  size=1  Foo-1=\xc3\xa4 ", 18, &parameters, &refusal));
  g_assert_cmpuint (g_strv_length (parameters), ==, 2);
  g_assert_cmpstr (parameters[0], ==, "SIZE=1");
  g_assert_cmpstr (parameters[1], ==, "FOO-1=\xc3\xa4");
  g_clear_pointer (&parameters, g_strfreev);
  g_assert_true (smtp_parameters_parse (" ", 1, &parameters, &refusal));
  g_assert_null (parameters);
  g_assert_false (smtp_parameters_parse (" -a=1", 5, &parameters, &refusal));
  g_assert_cmpuint (refusal->code, ==, 501);
}

static void
test_quote (void)
{
  gchar text[200];

  memset (text, 'a', sizeof text);
  g_autofree gchar *exact = smtp_quote (text, 64);
  g_autofree gchar *cut = smtp_quote (text, 65);
  g_autofree gchar *odd = smtp_quote ("a\r\n\xff", 4);
  g_assert_cmpuint (strlen (exact), ==, 64);
  g_assert_cmpuint (strlen (cut), ==, 64);
  g_assert_true (g_str_has_suffix (cut, "aaa..."));
  g_assert_cmpstr (odd, ==, "a??\xef\xbf\xbd");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/smtp/capabilities/parse", test_capabilities_parse);
  g_test_add_func ("/smtp/capabilities/lines", test_capabilities_lines);
  g_test_add_func ("/smtp/capability/mechanisms", test_mechanisms);
  g_test_add_func ("/smtp/capabilities/intersect", test_capabilities_intersect);
  g_test_add_func ("/smtp/parameters/values", test_values);
  g_test_add_func ("/smtp/parameters/needs", test_needs);
  g_test_add_func ("/smtp/parameters/parse", test_parse);
  g_test_add_func ("/smtp/parameters/quote", test_quote);
  return g_test_run ();
}
