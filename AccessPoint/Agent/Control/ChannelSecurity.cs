using System.Text.Json;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Pki;
using Masquerade.Pki.Channel;
using Masquerade.Pki.Trust;

namespace Masquerade.AccessPoint.Agent.Control;

/// <summary>Something about this node's certificates that an operator should know.</summary>
internal sealed record CredentialsChanged(string What, string Text) : EngineEvent;

/// <summary>A coordinator was not believed, or did not believe this node.</summary>
internal sealed record ChannelRefused(string Coordinator, string Refusal, string Reason) : EngineEvent;

/// <summary>
/// Secures connections to coordinators, and ends the one there is when its certificate expires or is revoked. Certificates are reloaded without touching it: what is being said goes on
/// under the certificates that it began with.
/// </summary>
internal sealed class ChannelSecurity
{
    private readonly CredentialStore _credentials;
    private readonly IReadOnlyList<string> _names;
    private readonly Action<EngineEvent> _report;
    private readonly TextWriter _log;
    private readonly Lock _gate = new();
    private SecureChannel? _channel;
    private Action<string>? _end;
    private long _refused;
    private string _lastRefusal = string.Empty;

    /// <param name="credentials">This node's certificate and whom it trusts.</param>
    /// <param name="names">Names that a coordinator may have; if empty, its certificate must be for the address that was dialled.</param>
    /// <param name="report">Takes events; any thread.</param>
    /// <param name="log">Takes lines.</param>
    public ChannelSecurity(CredentialStore credentials, IReadOnlyList<string> names, Action<EngineEvent> report, TextWriter log)
    {
        (_credentials, _names, _report, _log) = (credentials, names, report, log);
    }

    /// <summary>Secures a connection that was dialled.</summary>
    /// <exception cref="ChannelRefusedException">It cannot be secured; the reason is the message.</exception>
    public async Task<SecureChannel> OpenAsync(Stream transport, string host, CancellationToken cancel)
    {
        try
        {
            var expectation = new PeerExpectation(SiteRole.Coordinator, _names, _names.Count == 0 ? host : string.Empty);
            return await SecureChannel.ConnectAsync(transport, _credentials, expectation, cancel).ConfigureAwait(false);
        }
        catch (ChannelRefusedException e)
        {
            Refused(host, e.Refusal, e.Message);
            throw;
        }
    }

    /// <summary>A session speaks over a channel from now on.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="end">Ends the session, with a reason; any thread.</param>
    public void Begin(SecureChannel channel, Action<string> end)
    {
        lock (_gate)
        {
            (_channel, _end) = (channel, end);
        }
    }

    /// <summary>The session is over.</summary>
    public void Finish()
    {
        lock (_gate)
        {
            (_channel, _end) = (null, null);
        }
    }

    /// <summary>Counts and reports a refusal by either end.</summary>
    public void Refused(string coordinator, Refusal refusal, string reason)
    {
        lock (_gate)
        {
            _refused++;
            _lastRefusal = reason;
        }

        _report(new ChannelRefused(coordinator, refusal.ToString(), reason));
    }

    /// <summary>Looks at the files, and at the certificate of the coordinator that is connected, until cancelled.</summary>
    public Task WatchAsync(TimeSpan interval, CancellationToken cancel) => _credentials.WatchAsync(interval, Look, cancel);

    /// <summary>Writes how things stand, for the state document.</summary>
    public void Describe(Utf8JsonWriter json)
    {
        SecurityStatus.Write(json, _credentials);
        lock (_gate)
        {
            if (_channel is { } channel)
            {
                json.WriteStartObject("coordinatorCertificate");
                json.WriteString("identity", channel.Peer.Uri);
                json.WriteNumber("expiresInSeconds", (long)(new DateTimeOffset(channel.PeerCertificate.NotAfter) - _credentials.Now).TotalSeconds);
                json.WriteEndObject();
            }

            json.WriteNumber("refused", _refused);
            json.WriteString("lastRefusal", _lastRefusal);
        }
    }

    private void Look(IReadOnlyList<CredentialNews> news)
    {
        foreach (var item in news)
        {
            _log.WriteLine($"tls: {item.Text}");
            _report(new CredentialsChanged(item.Kind.ToString(), item.Text));
        }

        SecureChannel? channel;
        Action<string>? end;
        lock (_gate)
        {
            (channel, end) = (_channel, _end);
        }

        if (channel is not null && _credentials.Current.Trust.JudgeAgain(channel.PeerCertificate, channel.Judgement, _credentials.Now) is { IsGood: false } bad)
        {
            Refused(channel.Peer.Name.Name!, bad.Refusal, bad.Reason);
            end?.Invoke(bad.Reason);
        }
    }
}
