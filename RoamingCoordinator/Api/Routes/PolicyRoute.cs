using System.Buffers;
using System.Globalization;
using System.Text;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Hosting;
using Masquerade.RoamingCoordinator.Users;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary><c>/v1/users/policies</c> and <c>/v1/users/explain</c>: what users may do, as a document that can be replaced, and why something passes or does not (A-26, A-27).</summary>
internal static class PolicyRoute
{
    /// <summary>Octets of a document.</summary>
    public const int MaxDocument = 8 << 20;

    /// <summary>Sessions of one user that are explained.</summary>
    private const int MostExplained = 8;

    /// <summary>Documents that may be on their way at once, each as large as may be.</summary>
    private const int MostReceived = 4;

    /// <summary>For how long one may be on its way.</summary>
    private static readonly TimeSpan s_bodyPatience = TimeSpan.FromSeconds(15);

    private static readonly SemaphoreSlim s_receiving = new(MostReceived);

    /// <summary>One document is looked at, at a time: each may be as large as may be.</summary>
    private static readonly SemaphoreSlim s_one = new(1);

    public static async Task ReadAsync(HttpContext context, Site site)
    {
        _ = new Query(context.Request);
        var current = (await DeskAsync(context, site).ConfigureAwait(false)).Current;
        context.Response.Headers.ETag = $"\"{current.Tag}\"";
        await Reply.JsonAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            json.WriteString("tag", current.Tag);
            json.WriteStartArray("policies");
            foreach (var (name, rules) in current.Policies.OrderBy(p => p.Key, StringComparer.Ordinal))
            {
                json.WriteStartObject();
                json.WriteString("policy", name);
                Documents.Strings(json, "rules", rules);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteString("document", Encoding.UTF8.GetString(current.Text.Span));
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    public static async Task ApplyAsync(HttpContext context, Site site)
    {
        var checkOnly = new Query(context.Request, "check").One("check") switch
        {
            null or "false" => false,
            "true" => true,
            _ => throw Query.Bad("check is true or false"),
        };
        Browsers.MayNotChange(context);
        var expected = Expected(context.Request);
        var desk = await DeskAsync(context, site).ConfigureAwait(false);

        // First all of it, then its turn: whoever sends slowly holds up nobody.
        var document = await BodyAsync(context).ConfigureAwait(false);
        if (!await s_one.WaitAsync(TimeSpan.Zero).ConfigureAwait(false))
        {
            throw new NotAvailableException("another document is being looked at");
        }

        PolicyAnswer answer;
        try
        {
            answer = await desk.ApplyAsync(document, expected, checkOnly, context.RequestAborted).ConfigureAwait(false);
        }
        finally
        {
            s_one.Release();
        }

        switch (answer.Outcome)
        {
            case PolicyOutcome.Mistaken:
                throw new ProblemException(StatusCodes.Status422UnprocessableEntity, $"the document has {answer.Mistakes.Count} mistake{(answer.Mistakes.Count == 1 ? string.Empty : "s")}; nothing has changed") { Mistakes = answer.Mistakes };
            case PolicyOutcome.Stale:
                throw new ProblemException(StatusCodes.Status412PreconditionFailed, $"another document holds by now, with the tag {answer.Tag}; nothing has changed");
            case PolicyOutcome.NotAvailable or PolicyOutcome.Unsure:
                throw new NotAvailableException(string.Join("; ", answer.Mistakes));
            case PolicyOutcome.NotKept:
                throw new ProblemException(StatusCodes.Status409Conflict, $"{string.Join("; ", answer.Mistakes)}; nothing has changed");
        }

        context.Response.Headers.ETag = $"\"{answer.Tag}\"";
        await Reply.JsonAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            json.WriteBoolean("applied", answer.Outcome != PolicyOutcome.Checked);
            json.WriteBoolean("told", answer.Outcome != PolicyOutcome.NotTold);
            json.WriteString("tag", answer.Tag);
            Documents.Strings(json, "policies", answer.Policies);
            json.WriteNumber("clients", answer.Clients);
            json.WriteNumber("users", answer.Users);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    public static async Task ExplainAsync(HttpContext context, Site site)
    {
        var query = new Query(context.Request, "user", "client", "to", "from", "protocol", "direction", "at");
        var (user, client) = (query.One("user"), query.Client("client"));
        if ((user is null) == client.IsNone)
        {
            throw Query.Bad("either user or client is asked about");
        }

        var protocol = query.One("protocol") switch
        {
            null or "tcp" => TransportProtocol.Tcp,
            "udp" => TransportProtocol.Udp,
            "icmp" => TransportProtocol.Icmp,
            _ => throw Query.Bad("protocol is tcp, udp or icmp"),
        };
        var direction = query.One("direction") switch
        {
            null or "out" => FilterDirection.Out,
            "in" => FilterDirection.In,
            _ => throw Query.Bad("direction is out (the client opens it) or in"),
        };
        var (to, from) = (End(query, "to") ?? throw Query.Bad("to is whom the connection is opened to, address:port"), End(query, "from"));
        if (from is { } given && given.Address.IsIPv4 != to.Address.IsIPv4)
        {
            throw Query.Bad("from and to are of one address family");
        }

        var at = query.One("at") is not { } time ? DateTimeOffset.Now
            : DateTimeOffset.TryParse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out var parsed) ? parsed : throw Query.Bad("at is a time such as 2026-01-31T09:30, at the site");
        var desk = await DeskAsync(context, site).ConfigureAwait(false);
        var known = await SessionsAsync(context, site, user, client).ConfigureAwait(false);
        if (known.Count == 0 && user is null)
        {
            throw new ProblemException(StatusCodes.Status404NotFound, $"no session of {client} is known");
        }

        var answers = known.Count == 0 ? [(MacAddress.None, null, [])] : known;
        var asked = known.Count == 0 ? user! : known[0].User!.User;
        var isDenied = await site.Inquiry.AskAsync((core, _) => core.IsDenied(asked), context.RequestAborted).ConfigureAwait(false);
        await Reply.JsonAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("version", Documents.Version);
            json.WriteString("at", at.ToString("yyyy-MM-ddTHH:mm:sszzz", CultureInfo.InvariantCulture));
            json.WriteStartArray("answers");
            foreach (var (mac, session, addresses) in answers)
            {
                var own = addresses.FirstOrDefault(a => a.IsIPv4 == to.Address.IsIPv4, to.Address.IsIPv4 ? IpAddress.FromV4(0) : IpAddress.Parse("::"));
                var tuple = new FlowTuple(from ?? new TransportEndpoint(own, 0), to, protocol);
                var name = session?.User ?? user!;
                var said = desk.Explain(new PolicyInquiry(name, session, tuple, direction, at, isDenied));
                json.WriteStartObject();
                json.WriteString("user", name);
                json.WriteString("client", mac.IsNone ? null : mac.ToString());
                json.WriteString("verdict", Documents.Camel(said.Verdict));
                json.WriteString("policy", said.Policy);
                json.WriteString("why", said.Why);
                json.WriteNumber("rule", said.Rule);
                json.WriteString("text", said.Text);
                json.WriteString("from", tuple.Source.ToString());
                json.WriteString("to", to.ToString());
                json.WriteString("protocol", Documents.Camel(protocol));
                json.WriteString("direction", Documents.Camel(direction));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task<IPolicyDesk> DeskAsync(HttpContext context, Site site) =>
        await site.Inquiry.AskAsync((core, _) => core.Policies, context.RequestAborted).ConfigureAwait(false) ?? throw UserRoute.NoUsers();

    /// <summary>The sessions that are asked about, with their clients' addresses.</summary>
    private static async Task<IReadOnlyList<(MacAddress Client, UserRecord? User, IReadOnlyList<IpAddress> Addresses)>> SessionsAsync(HttpContext context, Site site, string? user, MacAddress client)
    {
        IReadOnlyList<MacAddress> clients = user is null ? [client] : await site.Inquiry.AskLaterAsync<IReadOnlyList<MacAddress>>(
            (core, now, answer) => core.FindUserSessions(
                (_, session) => IsOf(session, user),
                MostExplained,
                found =>
                {
                    if (found is null)
                    {
                        answer.TrySetException(new NotAvailableException("the store cannot tell"));
                        return;
                    }

                    answer.TrySetResult([.. found.Select(f => f.Client)]);
                },
                now),
            context.RequestAborted).ConfigureAwait(false);
        var views = await site.Inquiry.LoadAsync(clients, context.RequestAborted).ConfigureAwait(false);
        return [.. views.Clients.Where(v => v?.Record.User is { } session && (user is null || IsOf(session, user))).Select(v => (v!.Record.Client, v.Record.User, (IReadOnlyList<IpAddress>)v.Record.Addresses))];
    }

    private static bool IsOf(UserRecord session, string user) => string.Equals(session.User, user, StringComparison.OrdinalIgnoreCase);

    private static TransportEndpoint? End(Query query, string name)
    {
        if (query.One(name) is not { } text)
        {
            return null;
        }

        return TransportEndpoint.TryParse(text, out var endpoint) ? endpoint
            : IpAddress.TryParse(text, out var address) ? new TransportEndpoint(address, 0)
            : throw Query.Bad($"{name} is address:port, such as 192.0.2.1:443 or [2001:db8::1]:443; with icmp an address");
    }

    private static string? Expected(HttpRequest request) => request.Headers.IfMatch switch
    {
        [] => null,
        [{ Length: > 2 } tag] when tag[0] == '"' && tag[^1] == '"' => tag[1..^1],
        _ => throw Query.Bad("If-Match is the ETag of a document that was read, in quotation marks"),
    };

    private static async Task<ReadOnlyMemory<byte>> BodyAsync(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = MaxDocument;
        }

        if (!await s_receiving.WaitAsync(TimeSpan.Zero).ConfigureAwait(false))
        {
            throw new NotAvailableException($"{MostReceived} documents are on their way already");
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        patience.CancelAfter(s_bodyPatience);
        try
        {
            var buffer = new ArrayBufferWriter<byte>(4_096);
            while (true)
            {
                var read = await context.Request.BodyReader.ReadAsync(patience.Token).ConfigureAwait(false);
                foreach (var part in read.Buffer)
                {
                    buffer.Write(part.Span);
                }

                context.Request.BodyReader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return buffer.WrittenMemory;
                }
            }
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            throw new ProblemException(StatusCodes.Status408RequestTimeout, $"the document has not come within {s_bodyPatience.TotalSeconds:0} s; nothing has changed");
        }
        finally
        {
            s_receiving.Release();
        }
    }
}
