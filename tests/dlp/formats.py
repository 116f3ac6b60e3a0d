# SPDX-License-Identifier: GPL-3.0-or-later
"""formats: makes up credentials from what their vendors publish about them (lengths, alphabets, checksums, where they stand).

Written from those descriptions and from RFCs, not from the table in appliance/dlp: a mistake in the one is not in the other. FORMATS
maps a rule's name to a function that takes a random.Random and returns a text that holds one such credential.
"""
import base64
import hashlib
import json
import struct
import zlib

DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = LOWER.upper()
BASE62 = DIGITS + UPPER + LOWER
HEX = DIGITS + "abcdef"
URLSAFE = BASE62 + "-_"
STANDARD = BASE62 + "+/"
FORMATS = {}


def pick(r, count, alphabet=BASE62):
    return "".join(r.choice(alphabet) for _ in range(count))


def some(r, low, high, alphabet=BASE62):
    return pick(r, r.randint(low, high), alphabet)


def uuid(r):
    return "-".join(pick(r, n, HEX) for n in (8, 4, 4, 4, 12))


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def base62(number, width):
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = BASE62[digit] + text
    return text.rjust(width, "0")


def named(*names):
    def note(function):
        for name in names:
            FORMATS[name] = function
        return function
    return note


def prefix(name, fixed, low, alphabet=BASE62, high=None):
    """A fixed prefix (or one of several) and random characters behind it."""
    choices = [fixed] if isinstance(fixed, str) else fixed
    FORMATS[name] = lambda r: r.choice(choices) + some(r, low, high or low, alphabet)


# Clouds
prefix("aws-access-key-id", ["AKIA", "ASIA"], 16, UPPER + "234567")
prefix("google-api-key", "AIza", 35, URLSAFE)
prefix("google-oauth-client-secret", "GOCSPX-", 28, URLSAFE)
prefix("google-oauth-access-token", "ya29.a0A", 120, URLSAFE, 210)
prefix("google-oauth-refresh-token", ["1//03", "1//0g"], 80, URLSAFE, 100)
prefix("aws-session-token", ["IQoJb3JpZ2luX2Vj", "FwoGZXIvYXdz"], 200, STANDARD, 600)
prefix("aws-mws-token", "", 0)
FORMATS["aws-mws-token"] = lambda r: "amzn.mws." + uuid(r)
FORMATS["aws-bedrock-api-key"] = lambda r: "ABSK" + b64(b"BedrockAPIKey-" + pick(r, 4).encode() + b"-at-" + pick(r, 12, DIGITS).encode() +
                                                       b":" + r.randbytes(36))
FORMATS["aws-bedrock-session-key"] = lambda r: "bedrock-api-key-" + b64(
    b"bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Credential=" + pick(r, 60).encode())


@named("aws-secret-access-key")
def _(r):
    key = pick(r, 40, STANDARD)
    return r.choice(["aws_secret_access_key = %s\n", "AWS_SECRET_ACCESS_KEY=%s\n", '{"SecretAccessKey": "%s"}', "export AWS_SECRET_ACCESS_KEY='%s'",
                     "<SecretAccessKey>%s</SecretAccessKey>", "secretAccessKey: '%s',"]) % key


FORMATS["google-service-account-key"] = lambda r: json.dumps(
    {"type": "service_account", "project_id": "acme", "private_key_id": pick(r, 40, HEX), "client_id": pick(r, 21, DIGITS)}, indent=r.choice([None, 2]))
FORMATS["google-fcm-server-key"] = lambda r: "AAAA" + pick(r, 7, URLSAFE) + ":APA91b" + pick(r, 134, URLSAFE)
FORMATS["azure-storage-key"] = lambda r: "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=" + b64(r.randbytes(64)) + ";EndpointSuffix=core.windows.net"
FORMATS["azure-shared-access-key"] = lambda r: ("Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=" +
                                               b64(r.randbytes(32)))


@named("azure-shared-access-signature")
def _(r):
    return ("https://acme.blob.core.windows.net/box/file?sv=2023-%02d-03&st=2026-01-01T00%%3A00%%3A00Z&se=2027-01-01T00%%3A00%%3A00Z&sr=b&sp=r&sig="
            % r.randint(1, 12)) + b64(r.randbytes(32)).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


FORMATS["azure-client-secret"] = lambda r: pick(r, 3) + r.choice("78") + "Q~" + pick(r, 34, BASE62 + "_~.-")
FORMATS["azure-annotated-key"] = lambda r: (pick(r, 52) + "JQQJ99" + r.choice("ABCDEFG") + r.choice("ABCDEFGHIJKL") + "AC" + pick(r, 14) +
                                           r.choice(["AZDO", "ACOG", "AAAE"]) + pick(r, 4))
prefix("digitalocean-token", ["dop_v1_", "doo_v1_", "dor_v1_"], 64, HEX)
FORMATS["cloudflare-api-token"] = lambda r: r.choice(["cfk_", "cfut_", "cfat_"]) + pick(r, 40) + pick(r, 8, HEX)
FORMATS["cloudflare-origin-ca-key"] = lambda r: "v1.0-" + pick(r, 24, HEX) + "-" + pick(r, 146, HEX)
prefix("alibaba-access-key", "LTAI5t", 18)
prefix("tencent-secret-id", "AKID", 32)
prefix("yandex-api-key", "AQVN", 36, URLSAFE)
prefix("yandex-oauth-token", ["y0_AgAAAA", "y0_AgAEA7"], 49, URLSAFE, 52)
FORMATS["yandex-iam-token"] = lambda r: "t1." + some(r, 90, 200, URLSAFE) + "." + pick(r, 86, URLSAFE)
prefix("scaleway-access-key", "SCW", 17, UPPER + DIGITS)
FORMATS["heroku-api-key"] = lambda r: "HRKU-" + r.choice([uuid(r), "AA" + pick(r, 58, URLSAFE)])
FORMATS["fly-api-token"] = lambda r: "FlyV1 " + r.choice(["fm1r_", "fm2_"]) + "lJPECAAAAAAA" + some(r, 100, 300, STANDARD) + ","
prefix("netlify-token", "nfp_", 36)
prefix("vercel-token", ["vcp_", "vci_", "vca_", "vcr_", "vck_"], 48, BASE62, 60)
prefix("render-api-key", "rnd_", 28, BASE62, 32)
FORMATS["tailscale-key"] = lambda r: "tskey-" + r.choice(["auth", "api", "client"]) + "-k" + pick(r, 9) + "CNTRL-" + some(r, 32, 34)
FORMATS["terraform-cloud-token"] = lambda r: pick(r, 14) + ".atlasv1." + some(r, 60, 70)
prefix("vault-token", ["hvs.CAES", "hvb.AAAA", "hvs."], 90, URLSAFE, 120)
prefix("pulumi-access-token", "pul-", 40, HEX)
prefix("doppler-token", ["dp.pt.", "dp.st.dev.", "dp.ct.", "dp.sa.", "dp.scim."], 43)
prefix("infracost-api-key", "ico-", 32)
prefix("aiven-password", "AVNS_", 19, URLSAFE)


# Forges, registries, building
def checked(r, fixed):
    body = pick(r, 30)
    return fixed + body + base62(zlib.crc32(body.encode()), 6)


FORMATS["github-token"] = lambda r: checked(r, r.choice(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]))
FORMATS["npm-token"] = lambda r: checked(r, "npm_")
FORMATS["github-installation-token"] = lambda r: "ghs_" + some(r, 4, 7, DIGITS) + "_" + FORMATS["json-web-token"](r)
FORMATS["github-fine-grained-token"] = lambda r: "github_pat_11" + pick(r, 9, UPPER + DIGITS) + "0" + pick(r, 10) + "_" + pick(r, 59)


@named("gitlab-personal-access-token")
def _(r):
    if r.random() < 0.5:
        return "glpat-" + pick(r, 20, URLSAFE)
    payload = b64url(b"o:1\nu:%x\n" % r.getrandbits(20) + r.randbytes(16) + b"\x10\x0c")
    body = "glpat-" + payload + ".01." + "0" + r.choice(DIGITS + LOWER)
    return body + base36(zlib.crc32(body.encode())).rjust(7, "0")


def base36(number):
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = (DIGITS + LOWER)[digit] + text
    return text


prefix("gitlab-deploy-token", "gldt-", 20, URLSAFE)
prefix("gitlab-runner-token", ["glrt-", "glrt-t1_", "glrt-t3_", "GR1348941"], 20, URLSAFE)
prefix("gitlab-pipeline-trigger-token", "glptt-", 40, HEX)
prefix("gitlab-job-token", ["glcbt-1_", "glcbt-64_", "glcbt-7f_"], 20, URLSAFE)
prefix("gitlab-oauth-secret", "gloas-", 64, HEX)
prefix("gitlab-agent-token", "glagent-", 50, URLSAFE)
prefix("gitlab-feed-token", "glft-", 20, URLSAFE)
prefix("gitlab-incoming-mail-token", "glimt-", 25, LOWER + DIGITS)
prefix("gitlab-scim-token", "glsoat-", 20, URLSAFE)
prefix("gitlab-feature-flags-token", "glffct-", 20, URLSAFE)
FORMATS["atlassian-api-token"] = lambda r: "ATATT3xFfGF0" + some(r, 170, 180, URLSAFE) + "=" + pick(r, 8, DIGITS + "ABCDEF")
FORMATS["atlassian-access-token"] = lambda r: "ATCTT3xFfGN0" + some(r, 170, 180, URLSAFE) + "=" + pick(r, 8, DIGITS + "ABCDEF")
FORMATS["bitbucket-app-password"] = lambda r: "ATBB" + pick(r, 24) + pick(r, 8, DIGITS + "ABCDEF")
FORMATS["sourcegraph-access-token"] = lambda r: "sgp_" + r.choice([pick(r, 16, HEX) + "_", "local_", ""]) + pick(r, 40, HEX)
FORMATS["jetbrains-token"] = lambda r: "perm:" + b64(some(r, 3, 9, LOWER).encode()) + "." + b64(b"92-" + some(r, 1, 4, DIGITS).encode()) + "." + pick(r, 30)
FORMATS["npm-registry-password"] = lambda r: r.choice(["//npm.acme.test/:_authToken=%s", "//npm.acme.test/:_password=%s"]) % some(r, 36, 64)
FORMATS["pypi-token"] = lambda r: "pypi-" + b64url(b"\x02\x01\x08pypi.org\x02\x24" + uuid(r).encode() + b"\x00\x02\x2a" + r.randbytes(70))
FORMATS["pypi-test-token"] = lambda r: "pypi-" + b64url(b"\x02\x01\x0dtest.pypi.org\x02\x24" + uuid(r).encode() + b"\x00\x02\x2a" + r.randbytes(70))
prefix("rubygems-api-key", "rubygems_", 48, HEX)
prefix("crates-io-token", "cio", 32)
prefix("docker-access-token", ["dckr_pat_", "dckr_oat_"], 27, URLSAFE)
prefix("nuget-api-key", "oy2", 43, LOWER + "234567")
prefix("jfrog-api-key", "AKCp", 69)
FORMATS["jfrog-reference-token"] = lambda r: b64(b"reftkn:01:1%09d:" % r.getrandbits(29) + pick(r, 28).encode())[:64]
prefix("clojars-token", "CLOJARS_", 60, HEX)
prefix("packagist-token", ["packagist_ort_", "packagist_out_", "packagist_uut_"], 68, HEX)
prefix("huggingface-token", "hf_", 34, UPPER + LOWER)
prefix("kaggle-api-token", "KGAT_", 32, HEX)
FORMATS["circleci-token"] = lambda r: "CCIPAT_" + pick(r, 22) + "_" + pick(r, 40, HEX)
prefix("buildkite-token", "bkua_", 40, HEX)
prefix("sonarqube-token", ["squ_", "sqp_", "sqa_"], 40, HEX)
prefix("prefect-api-key", ["pnu_", "pnb_"], 36)
FORMATS["harness-token"] = lambda r: r.choice(["pat.", "sat."]) + pick(r, 22, URLSAFE) + "." + pick(r, 24, HEX) + "." + pick(r, 20)
FORMATS["launchdarkly-key"] = lambda r: r.choice(["api-", "sdk-"]) + uuid(r)
FORMATS["postman-api-key"] = lambda r: "PMAK-" + pick(r, 24, HEX) + "-" + pick(r, 34, HEX)
prefix("readme-api-key", "rdme_", 70, LOWER + DIGITS)
prefix("contentful-token", "CFPAT-", 43, URLSAFE)

# Models
FORMATS["anthropic-api-key"] = lambda r: "sk-ant-api03-" + pick(r, 93, URLSAFE) + "AA"
FORMATS["anthropic-admin-key"] = lambda r: "sk-ant-admin01-" + pick(r, 93, URLSAFE) + "AA"
FORMATS["anthropic-oauth-token"] = lambda r: r.choice(["sk-ant-oat01-", "sk-ant-ort01-"]) + pick(r, 93, URLSAFE) + "AA"
FORMATS["openai-api-key"] = lambda r: "sk-" + pick(r, 20) + "T3BlbkFJ" + pick(r, 20)
FORMATS["openai-project-key"] = lambda r: r.choice(["sk-proj-", "sk-svcacct-", "sk-admin-"]) + pick(r, 74, URLSAFE) + "T3BlbkFJ" + pick(r, 74, URLSAFE)
prefix("sk-api-key", "sk-", 48)
prefix("deepseek-api-key", "sk-", 32, HEX)
prefix("openrouter-api-key", "sk-or-v1-", 64, HEX)
prefix("groq-api-key", "gsk_", 52)
prefix("xai-api-key", "xai-", 80)
prefix("perplexity-api-key", "pplx-", 48)
prefix("nvidia-api-key", "nvapi-", 64, URLSAFE)
prefix("replicate-api-token", "r8_", 37)
prefix("cerebras-api-key", "csk-", 48, LOWER + DIGITS)
FORMATS["langsmith-api-key"] = lambda r: r.choice(["lsv2_pt_", "lsv2_sk_"]) + pick(r, 32, HEX) + "_" + pick(r, 10, HEX)
FORMATS["langfuse-secret-key"] = lambda r: "sk-lf-" + uuid(r)
prefix("elevenlabs-api-key", "sk_", 48, HEX)
FORMATS["pinecone-api-key"] = lambda r: "pcsk_" + some(r, 5, 6) + "_" + some(r, 62, 64)
prefix("tavily-api-key", ["tvly-", "tvly-dev-"], 32)
prefix("firecrawl-api-key", "fc-", 32, HEX)
FORMATS["jina-api-key"] = lambda r: "jina_" + pick(r, 32, HEX) + pick(r, 28)
prefix("e2b-api-key", "e2b_", 40, HEX)
prefix("runpod-api-key", "rpa_", 42, UPPER + DIGITS, 46)
prefix("llamacloud-api-key", "llx-", 48)
prefix("together-api-key", "tgp_v1_", 43, URLSAFE)
FORMATS["databricks-token"] = lambda r: "dapi" + pick(r, 32, HEX) + r.choice(["", "-2", "-3"])

# Chat
FORMATS["slack-bot-token"] = lambda r: "xoxb-" + some(r, 11, 13, DIGITS) + "-" + some(r, 11, 13, DIGITS) + "-" + pick(r, 24)
FORMATS["slack-user-token"] = lambda r: "xoxp-" + "-".join(some(r, 11, 13, DIGITS) for _ in range(3)) + "-" + pick(r, 32, HEX)
FORMATS["slack-app-token"] = lambda r: "xapp-1-A" + pick(r, 10, UPPER + DIGITS) + "-" + pick(r, 13, DIGITS) + "-" + pick(r, 64, HEX)
FORMATS["slack-configuration-token"] = lambda r: r.choice(["xoxe.xoxp-1-", "xoxe-1-"]) + pick(r, 146)
FORMATS["slack-session-token"] = lambda r: "xoxc-" + "-".join(some(r, 11, 13, DIGITS) for _ in range(3)) + "-" + pick(r, 64, HEX)
FORMATS["slack-webhook"] = lambda r: ("https://hooks.slack.com/services/T" + some(r, 8, 10, UPPER + DIGITS) + "/B" + some(r, 8, 10, UPPER + DIGITS) +
                                     "/" + pick(r, 24))
FORMATS["discord-bot-token"] = lambda r: "Authorization: Bot " + b64url((r.choice(DIGITS[1:]) + some(r, 16, 18, DIGITS)).encode()) + "." + pick(r, 6, URLSAFE) + "." + some(r, 27, 38, URLSAFE)
FORMATS["discord-webhook"] = lambda r: ("https://" + r.choice(["discord.com", "discordapp.com"]) + "/api/" + r.choice(["", "v10/"]) + "webhooks/" +
                                       some(r, 17, 19, DIGITS) + "/" + pick(r, 68, URLSAFE))
FORMATS["telegram-bot-token"] = lambda r: r.choice(DIGITS[1:]) + some(r, 8, 9, DIGITS) + ":AA" + pick(r, 33, URLSAFE)
FORMATS["teams-webhook"] = lambda r: ("https://acme.webhook.office.com/webhookb2/" + uuid(r) + "@" + uuid(r) + "/IncomingWebhook/" + pick(r, 32, HEX) +
                                     "/" + uuid(r))


@named("matrix-access-token")
def _(r):
    body = r.choice(["syt_", "syr_"]) + b64(some(r, 2, 20, LOWER).encode()).rstrip("=") + "_" + pick(r, 20, LOWER + UPPER)
    return body + "_" + base62(zlib.crc32(body.encode()), 6)


prefix("twilio-api-key", "SK", 32, HEX)

# Mail
FORMATS["sendgrid-api-key"] = lambda r: "SG." + pick(r, 22, URLSAFE) + "." + pick(r, 43, URLSAFE)
prefix("mailgun-api-key", "key-", 32, HEX)
FORMATS["mailchimp-api-key"] = lambda r: pick(r, 32, HEX) + "-us" + str(r.randint(1, 21))
prefix("mailersend-api-token", "mlsn.", 64, HEX)
FORMATS["resend-api-key"] = lambda r: "re_" + pick(r, 8) + "_" + pick(r, 24)
FORMATS["brevo-api-key"] = lambda r: "xkeysib-" + pick(r, 64, HEX) + "-" + pick(r, 16)
FORMATS["brevo-smtp-key"] = lambda r: "xsmtpsib-" + pick(r, 64, HEX) + "-" + pick(r, 16)
prefix("klaviyo-private-key", "pk_", 34, HEX)

# Payment
FORMATS["stripe-live-key"] = lambda r: r.choice(["sk_live_", "rk_live_"]) + r.choice([pick(r, 24), "51" + pick(r, 97)])
FORMATS["stripe-test-key"] = lambda r: r.choice(["sk_test_", "rk_test_"]) + r.choice([pick(r, 24), "51" + pick(r, 97)])
prefix("stripe-webhook-secret", "whsec_", 32)
prefix("square-access-token", "sq0atp-", 22, URLSAFE)
prefix("square-application-secret", "sq0csp-", 43, URLSAFE)
prefix("square-personal-token", ["EAAAl", "EAAAE"], 59, URLSAFE)
prefix("shopify-token", ["shpat_", "shpca_", "shppa_", "shpss_"], 32, HEX)
FORMATS["braintree-access-token"] = lambda r: "access_token$production$" + pick(r, 16, LOWER + DIGITS) + "$" + pick(r, 32, HEX)
FORMATS["plaid-access-token"] = lambda r: "access-" + r.choice(["sandbox", "production"]) + "-" + uuid(r)
prefix("razorpay-key", "rzp_live_", 14)
FORMATS["flutterwave-secret-key"] = lambda r: "FLWSECK-" + pick(r, 32, HEX) + "-X"
prefix("easypost-api-key", ["EZAK", "EZTK"], 54, HEX)
prefix("shippo-token", ["shippo_live_", "shippo_test_"], 40, HEX)
prefix("duffel-token", ["duffel_live_", "duffel_test_"], 43, URLSAFE)


# Monitoring
@named("sentry-org-token")
def _(r):
    claims = {"iat": 1700000000 + r.random() * 1e8, "url": "https://sentry.io", "region_url": "https://us.sentry.io", "org": some(r, 3, 12, LOWER)}
    return "sntrys_" + b64(json.dumps(claims).encode()).rstrip("=") + "_" + pick(r, 43, STANDARD)


prefix("sentry-user-token", "sntryu_", 64, HEX)


@named("grafana-service-token")
def _(r):
    body = "glsa_" + pick(r, 32)
    return body + "_" + struct.pack("<I", zlib.crc32(body.encode())).hex()


FORMATS["grafana-cloud-token"] = lambda r: "glc_" + b64(json.dumps({"o": pick(r, 6, DIGITS), "n": some(r, 4, 20, LOWER), "k": pick(r, 24), "m": {"r": "us"}}).encode())
FORMATS["grafana-api-key"] = lambda r: b64(json.dumps({"k": pick(r, 32), "n": some(r, 3, 12, LOWER), "id": 1}, separators=(",", ":")).encode())
prefix("newrelic-user-key", "NRAK-", 27, UPPER + DIGITS)
FORMATS["newrelic-license-key"] = lambda r: pick(r, 36, HEX) + "NRAL"
FORMATS["dynatrace-token"] = lambda r: "dt0c01." + pick(r, 24, UPPER + DIGITS) + "." + pick(r, 64, UPPER + DIGITS)
prefix("honeycomb-key", "hcaik_", 58, LOWER + DIGITS)
prefix("posthog-key", ["phx_", "phs_"], 43)
FORMATS["datadog-key"] = lambda r: r.choice(["DD_API_KEY=%s", "DD-APPLICATION-KEY: %s", 'dd_app_key = "%s"', "DD_APP_KEY: '%s'"]) % pick(r, 32, HEX)
FORMATS["axiom-token"] = lambda r: r.choice(["xaat-", "xapt-"]) + uuid(r)

# Services
prefix("linear-api-key", "lin_api_", 40)
prefix("linear-oauth-token", "lin_oauth_", 64, HEX)
FORMATS["notion-token"] = lambda r: "ntn_" + pick(r, 11, DIGITS) + pick(r, 35)
prefix("notion-integration-secret", "secret_", 43)
prefix("figma-token", "figd_", 40, URLSAFE)
FORMATS["airtable-token"] = lambda r: "pat" + pick(r, 14) + "." + pick(r, 64, HEX)
FORMATS["hubspot-token"] = lambda r: r.choice(["pat-na1-", "pat-eu1-"]) + uuid(r)
prefix("typeform-token", "tfp_", 40, BASE62, 60)
prefix("frameio-token", "fio-u-", 64, URLSAFE)
prefix("dropbox-access-token", ["sl.", "sl.u.A"], 130, URLSAFE, 180)
FORMATS["mapbox-secret-token"] = lambda r: "sk." + b64url(json.dumps({"u": some(r, 4, 10, LOWER), "a": "c" + pick(r, 24, LOWER + DIGITS)}, separators=(",", ":")).encode()) + "." + pick(r, 22, URLSAFE)
FORMATS["salesforce-access-token"] = lambda r: "00D" + pick(r, 12) + r.choice(["", pick(r, 3)]) + "!" + pick(r, 96, BASE62 + "._")
FORMATS["clickup-token"] = lambda r: "pk_" + some(r, 6, 9, DIGITS) + "_" + pick(r, 32, UPPER + DIGITS)
prefix("supabase-token", "sbp_", 40, HEX)
prefix("supabase-secret-key", "sb_secret_", 31, URLSAFE)
prefix("planetscale-token", "pscale_tkn_", 43, URLSAFE)
prefix("planetscale-password", "pscale_pw_", 43, URLSAFE)
prefix("neon-api-key", "napi_", 64, LOWER + DIGITS)
prefix("adobe-client-secret", "p8e-", 32)
prefix("adafruit-io-key", "aio_", 28)
FORMATS["zuplo-api-key"] = lambda r: "zpka_" + pick(r, 32, LOWER + DIGITS) + "_" + pick(r, 8, HEX)
FORMATS["onepassword-service-token"] = lambda r: "ops_" + b64url(json.dumps({"signInAddress": "acme.1password.com", "userAuth": {"method": "SRPg-4096",
                                               "iterations": 650000, "salt": pick(r, 22)}, "email": pick(r, 13, LOWER) + "@1passwordserviceaccounts.com",
                                               "srpX": pick(r, 64, HEX)}).encode())
FORMATS["onepassword-secret-key"] = lambda r: "A3-" + "-".join(pick(r, n, UPPER + DIGITS) for n in r.choice([(6, 11, 5, 5, 5), (6, 6, 5, 5, 5, 5)]))
prefix("confluent-api-secret", "cflt", 60, STANDARD)


# Keys
def armour(label, data, headers=(), width=64, end="\n"):
    text = b64(data)
    lines = ["-----BEGIN %s-----" % label, *headers] + [text[i:i + width] for i in range(0, len(text), width)] + ["-----END %s-----" % label]
    return end.join(lines) + end


def der(tag, *parts):
    body = b"".join(parts)
    length = bytes([len(body)]) if len(body) < 128 else bytes([0x82]) + len(body).to_bytes(2, "big")
    return bytes([tag]) + length + body


def integer(r, size):
    return der(2, b"\x00" + bytes([r.randrange(128, 256)]) + r.randbytes(size - 1))


@named("pem-private-key")
def _(r):
    end = r.choice(["\n", "\r\n"])
    kind = r.randrange(5)
    if kind == 0:  # RFC 8017 A.1.2
        return armour("RSA PRIVATE KEY", der(0x30, der(2, b"\0"), integer(r, 256), der(2, b"\1\0\1"), integer(r, 256), *[integer(r, 128) for _ in range(5)]), end=end)
    if kind == 1:  # RFC 8410
        return armour("PRIVATE KEY", der(0x30, der(2, b"\0"), der(0x30, bytes.fromhex("06032b6570")), der(4, der(4, r.randbytes(32)))), end=end)
    if kind == 2:  # RFC 5915
        return armour("EC PRIVATE KEY", der(0x30, der(2, b"\1"), der(4, r.randbytes(32)), der(0xa0, bytes.fromhex("06082a8648ce3d030107"))), end=end)
    if kind == 3:  # RFC 1421, as OpenSSL encrypts it
        headers = ["Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC," + r.randbytes(16).hex().upper(), ""]
        return armour("RSA PRIVATE KEY", r.randbytes(600), headers, end=end)
    key = armour("PRIVATE KEY", der(0x30, der(2, b"\0"), der(0x30, bytes.fromhex("06092a864886f70d0101010500")), der(4, r.randbytes(1100))))
    return json.dumps({"type": "service_account", "key": key})  # a file of JSON, its line ends escaped


def ssh_string(data):
    return struct.pack(">I", len(data)) + data


@named("openssh-private-key")
def _(r):  # PROTOCOL.key
    public = ssh_string(b"ssh-ed25519") + ssh_string(r.randbytes(32))
    private = r.randbytes(4) * 2 + public + ssh_string(r.randbytes(64)) + ssh_string(b"agent@host") + b"\1\2\3"
    return armour("OPENSSH PRIVATE KEY", b"openssh-key-v1\0" + ssh_string(b"none") * 2 + ssh_string(b"") + struct.pack(">I", 1) + ssh_string(public) + ssh_string(private), width=70)


@named("pgp-private-key")
def _(r):  # RFC 9580: a secret-key packet of version 4, old and new framing
    body = b"\4" + r.randbytes(4) + bytes.fromhex("16092b06010401da470f0101") + r.randbytes(80)
    packet = r.choice([b"\x94" + bytes([len(body)]), b"\x95" + struct.pack(">H", len(body)), b"\xc5" + bytes([len(body)])]) + body
    return armour("PGP PRIVATE KEY BLOCK", packet, r.choice([[""], ["Version: GnuPG v2", ""], ["Comment: mine", "Version: 1", ""]]))


@named("putty-private-key")
def _(r):
    lines = b64(r.randbytes(132))
    return ("PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: mine\r\nPublic-Lines: 2\r\n" + b64(r.randbytes(51)) + "\r\nPrivate-Lines: %d\r\n" % 3 +
            "\r\n".join(lines[i:i + 64] for i in range(0, len(lines), 64)) + "\r\nPrivate-MAC: " + r.randbytes(32).hex() + "\r\n")


def bech32(human, data):  # BIP 173
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[i:i + 5], 2) for i in range(0, len(bits), 5)]

    def checksum(numbers):
        total = 1
        for number in numbers:
            top, total = total >> 25, (total & 0x1ffffff) << 5 ^ number
            for i, generator in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
                total ^= generator if top >> i & 1 else 0
        return total
    expanded = [ord(c) >> 5 for c in human] + [0] + [ord(c) & 31 for c in human]
    last = checksum(expanded + values + [0] * 6) ^ 1
    return human + "1" + "".join(alphabet[v] for v in values + [last >> 5 * (5 - i) & 31 for i in range(6)])


FORMATS["age-secret-key"] = lambda r: bech32("age-secret-key-", r.randbytes(32)).upper()
FORMATS["wireguard-private-key"] = lambda r: "[Interface]\n" + r.choice(["PrivateKey = ", "PrivateKey="]) + b64(r.randbytes(32)) + "\nAddress = 10.0.0.2/32\n"


@named("bip32-private-key")
def _(r):
    data = bytes.fromhex("0488ade4") + bytes([r.randrange(4)]) + r.randbytes(4 + 4 + 32) + b"\0" + r.randbytes(32)
    data += hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[digit] + text
    return text


@named("json-web-token")
def _(r):  # RFC 7519
    header = r.choice([{"alg": "HS256", "typ": "JWT"}, {"typ": "JWT", "alg": "RS256", "kid": pick(r, 27, URLSAFE)}, {"alg": "ES256", "kid": uuid(r)}, {"alg": "EdDSA"}])
    claims = {"iss": "https://issuer.test", "aud": some(r, 4, 20, LOWER), "sub": uuid(r), "exp": 1790000000 + r.randrange(10**8)}
    return ".".join([b64url(json.dumps(header, separators=(",", ":")).encode()), b64url(json.dumps(claims, separators=(",", ":")).encode()), b64url(r.randbytes(r.choice([32, 64, 256])))])


@named("json-web-key")
def _(r):  # RFC 7517, RFC 8037
    key = r.choice([{"kty": "OKP", "crv": "Ed25519", "d": b64url(r.randbytes(32)), "x": b64url(r.randbytes(32))},
                    {"kty": "EC", "crv": "P-256", "x": b64url(r.randbytes(32)), "y": b64url(r.randbytes(32)), "use": "sig", "d": b64url(r.randbytes(32))},
                    {"kty": "oct", "alg": "HS256", "k": b64url(r.randbytes(32))},
                    {"kty": "RSA", "e": "AQAB", "n": b64url(r.randbytes(256)), "d": b64url(r.randbytes(256))}])
    return json.dumps(key)


FORMATS["unix-password-hash"] = lambda r: r.choice(["root", "agent"]) + ":" + r.choice([
    "$6$" + pick(r, 16, BASE62 + "./") + "$" + pick(r, 86, BASE62 + "./"), "$y$j9T$" + pick(r, 22, BASE62 + "./") + "$" + pick(r, 43, BASE62 + "./"),
    "$5$rounds=5000$" + pick(r, 16, BASE62 + "./") + "$" + pick(r, 43, BASE62 + "./")]) + ":19876:0:99999:7:::\n"


# Addresses. A password of letters and digits, as generators give it.
def password(r):
    at = r.randrange(12)
    return pick(r, at) + pick(r, 1, DIGITS) + some(r, 12 - at, 32 - at)


def address(name, *shapes):
    FORMATS[name] = lambda r: r.choice(shapes).format(user=some(r, 3, 12, LOWER), password=password(r), host=some(r, 3, 10, LOWER) + ".internal")


address("postgres-url", "postgres://{user}:{password}@{host}:5432/main", "postgresql://{user}:{password}@{host}/main?sslmode=require",
        "postgresql+psycopg2://{user}:{password}@{host}/x")
address("mysql-url", "mysql://{user}:{password}@{host}:3306/main", "mariadb://{user}:{password}@{host}/main", "mysql+pymysql://{user}:{password}@{host}/main")
address("mongodb-url", "mongodb://{user}:{password}@{host}:27017/?authSource=admin", "mongodb+srv://{user}:{password}@{host}/main")
address("redis-url", "redis://:{password}@{host}:6379/0", "rediss://{user}:{password}@{host}:6380")
address("amqp-url", "amqp://{user}:{password}@{host}:5672/%2f", "amqps://{user}:{password}@{host}/v")
address("http-url-password", "https://{user}:{password}@{host}/repo.git", "http://{user}:{password}@{host}:8080/")
address("file-transfer-url-password", "ftp://{user}:{password}@{host}/in", "sftp://{user}:{password}@{host}/", "ldap://{user}:{password}@{host}", "smtp://{user}:{password}@{host}:587")
address("sql-server-connection-string", "Server=tcp:{host},1433;Initial Catalog=main;User ID={user};Password={password};Encrypt=True;")


# Named values: 32 and more random characters.
FORMATS["quoted-secret"] = lambda r: r.choice(['api_key = "%s"', "apiKey: '%s'", '"client_secret": "%s"', 'password = "%s"', 'auth_token := "%s"', "secret-key => '%s'",
                                               '{"accessToken":"%s"}', 'ACCESS_KEY = "%s"']) % some(r, 32, 64)
FORMATS["environment-secret"] = lambda r: r.choice(["ACME_API_KEY=%s", "DB_PASSWORD=%s", "X_SECRET_KEY=%s", "SESSION_SECRET=%s", "BOT_TOKEN=%s"]) % some(r, 32, 64)
