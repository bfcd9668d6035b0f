using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Masquerade.Auth.Peer;
using Masquerade.Auth.Protection;

namespace Masquerade.Client.Run;

/// <summary>What the client tells: a line for each event, for people or as JSON.</summary>
internal sealed class ClientReport(TextWriter output, bool json, string user, TimeProvider time)
{
    private static readonly JsonSerializerOptions Plainly = new() { Encoder = JavaScriptEncoder.Default };

    /// <summary>An event.</summary>
    public void Tell(SupplicantEvent what, string tap)
    {
        if (!json)
        {
            Line(Words(what, tap));
            return;
        }

        var line = Begin(JsonNamingPolicy.CamelCase.ConvertName(what.Kind.ToString()));
        if (!what.AccessPoint.IsNone)
        {
            line["accessPoint"] = what.AccessPoint.ToString();
        }

        if (what.Kind is SupplicantEventKind.LinkProtected or SupplicantEventKind.KeysRenewed)
        {
            line["node"] = what.Node.Name;
            line["withEap"] = what.WithEap;
        }

        if (what.Kind is SupplicantEventKind.LinkProtected or SupplicantEventKind.Authenticated or SupplicantEventKind.Rejected)
        {
            line["milliseconds"] = Math.Round(what.Took.TotalMilliseconds, 3);
            line["framesSent"] = what.FramesSent;
            line["framesReceived"] = what.FramesReceived;
        }

        switch (what.Kind)
        {
            case SupplicantEventKind.Authenticated:
                line["resumed"] = what.IsResumed;
                break;
            case SupplicantEventKind.Rejected:
                line["reason"] = JsonNamingPolicy.CamelCase.ConvertName(what.Failure.ToString());
                line["detail"] = what.Detail;
                break;
            case SupplicantEventKind.HandshakeFailed:
                line["reason"] = JsonNamingPolicy.CamelCase.ConvertName(what.Handshake.ToString());
                break;
            case SupplicantEventKind.UnknownSession:
                line["session"] = what.Detail;
                break;
        }

        Write(line.ToJsonString(Plainly));
    }

    /// <summary>The counters.</summary>
    public void Status(Supplicant supplicant, long notSent)
    {
        var drops = new JsonObject();
        for (var reason = 1; reason < SupplicantCounters.ReasonCount; reason++)
        {
            Add("supplicant", (SupplicantDrop)reason, supplicant.Counters[(SupplicantDrop)reason]);
        }

        for (var reason = 1; reason < ProtectionCounters.ReasonCount; reason++)
        {
            Add("protection", (ProtectionDrop)reason, supplicant.Counters[(ProtectionDrop)reason]);
        }

        for (var reason = 1; reason < EapPeerCounters.ReasonCount; reason++)
        {
            Add("eap", (EapPeerDrop)reason, supplicant.EapCounters[(EapPeerDrop)reason]);
        }

        if (notSent > 0)
        {
            drops["link.NotSent"] = notSent;
        }

        var line = Begin("status");
        line["state"] = JsonNamingPolicy.CamelCase.ConvertName(supplicant.State.ToString());
        line["protected"] = supplicant.IsProtected;
        line["node"] = supplicant.AccessPoint.IsNone ? null : supplicant.Node.Name;
        line["accessPoint"] = supplicant.AccessPoint.IsNone ? null : supplicant.AccessPoint.ToString();
        line["session"] = supplicant.Session.IsNone ? null : supplicant.Session.ToString();
        line["sent"] = supplicant.Counters.Sent;
        line["delivered"] = supplicant.Counters.Delivered;
        line["eapolSent"] = supplicant.Counters.EapolSent;
        line["eapolReceived"] = supplicant.Counters.EapolReceived;
        line["eapRequests"] = supplicant.EapCounters.Requests;
        line["drops"] = drops;
        if (json)
        {
            Write(line.ToJsonString(Plainly));
            return;
        }

        var words = new StringBuilder();
        words.Append(CultureInfo.InvariantCulture, $"status: {supplicant.State}, {supplicant.Counters.Sent} frames sent and {supplicant.Counters.Delivered} received protected");
        foreach (var drop in drops)
        {
            words.Append(CultureInfo.InvariantCulture, $"; dropped {drop.Key} {drop.Value}");
        }

        Line(words.ToString());

        void Add<T>(string group, T reason, long count)
            where T : struct, Enum
        {
            if (count > 0)
            {
                drops[$"{group}.{reason}"] = count;
            }
        }
    }

    private string Words(SupplicantEvent what, string tap)
    {
        var took = string.Create(CultureInfo.InvariantCulture, $"in {what.Took.TotalMilliseconds:F1} ms ({what.FramesSent} frames out, {what.FramesReceived} in)");
        return what.Kind switch
        {
            SupplicantEventKind.Connecting => "the link is up; looking for an authenticator",
            SupplicantEventKind.Disconnected => "the link is down",
            SupplicantEventKind.NoAuthenticator => "nobody answers; asking on",
            SupplicantEventKind.Authenticating => $"authenticating at {what.AccessPoint}",
            SupplicantEventKind.Authenticated => $"authenticated as {user} {took}{(what.IsResumed ? ", resumed" : string.Empty)}",
            SupplicantEventKind.Rejected => $"rejected: {Reason(what.Failure)}{(what.Detail.Length > 0 ? $" ({Printable(what.Detail)})" : string.Empty)}",
            SupplicantEventKind.LinkProtected => $"protected: {Printable(what.Node.ToString())} {what.AccessPoint} {took}{(what.WithEap ? string.Empty : ", no EAP")}; {tap}",
            SupplicantEventKind.KeysRenewed => $"new keys with {Printable(what.Node.ToString())}",
            SupplicantEventKind.HandshakeFailed => $"the handshake with {what.AccessPoint} failed: {what.Handshake}",
            SupplicantEventKind.UnknownSession => $"{what.AccessPoint} names a session that is not known here: {Printable(what.Detail)}",
            SupplicantEventKind.NotProtected => "the access point does not protect the link: it stays closed (--plain-ok would use it as it is)",
            SupplicantEventKind.Plain => "the access point does not protect the link: NOT PROTECTED, use the interface itself",
            _ => "logged off",
        };
    }

    private static string Reason(EapPeerFailure failure) => failure switch
    {
        EapPeerFailure.Rejected => "the server says no: wrong user, password or certificate, or not allowed",
        EapPeerFailure.ServerNotTrusted => "the server is not the one it should be; it was told nothing",
        EapPeerFailure.Tls => "TLS failed",
        EapPeerFailure.ServerNotProven => "the server does not know the password",
        EapPeerFailure.Tunnel => "the server said what the method does not allow",
        EapPeerFailure.NoCommonMethod => "the server does not offer this method",
        EapPeerFailure.TooEarly => "the server said yes before it had proved itself",
        EapPeerFailure.Timeout => "the authenticator fell silent",
        _ => failure.ToString(),
    };

    private JsonObject Begin(string name) => new() { ["time"] = time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture), ["event"] = name };

    private void Line(string words) => Write(string.Create(CultureInfo.InvariantCulture, $"{time.GetLocalNow():HH:mm:ss.fff} {words}"));

    private void Write(string line)
    {
        output.WriteLine(line);
        output.Flush();
    }

    // What others have sent must not steer the terminal.
    private static string Printable(string text) => string.Concat(text.Select(c => c is >= ' ' and <= '~' ? c : '?'));
}
