using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Threading.Channels;
using Masquerade.Core.Control;
using Masquerade.Pki;
using Masquerade.Pki.Channel;
using Masquerade.Pki.Trust;
using Masquerade.RoamingCoordinator.Api.Metrics;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>
/// Lets agents in: accepts connections, secures them if TLS is set up, and makes sessions of those that may come in. What has not shown a good certificate takes up a bounded
/// place for a bounded time. Sessions whose certificate expires or is revoked are ended.
/// </summary>
internal sealed class AgentDoor
{
    /// <summary>Connections at once with one certificate: a restart leaves one behind, a change of the address another.</summary>
    private const int MaxSessionsPerName = 8;

    /// <summary>No handshake is ended for another's sake before it has had this long: ten times what one takes on a busy machine.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(200);

    private readonly int _maxSessions;
    private readonly TlsSettings? _tls;
    private readonly CredentialStore? _credentials;
    private readonly LineLog _log;
    private readonly ChannelWriter<SessionInput> _inputs;
    private readonly Action<string> _unsent;
    private readonly HandshakeGate _gate;
    private readonly RefusalBook _refusals;
    private readonly ConcurrentDictionary<ulong, AgentSession> _sessions = new();
    private ulong _lastSession;
    private int _open;
    private long _handshakes;
    private long _replaced;

    public AgentDoor(ServerConfig config, LineLog log, ChannelWriter<SessionInput> inputs, Action<string> unsent)
    {
        (_maxSessions, _tls, _credentials) = (config.MaxSessions, config.Tls, config.Credentials);
        _log = log;
        _inputs = inputs;
        _unsent = unsent;
        _refusals = new RefusalBook(log);
        _gate = new HandshakeGate(config.Tls?.MaxHandshakes ?? 1, config.Tls?.MaxHandshakesPerAddress ?? 1, Grace, TimeProvider.System);
    }

    /// <summary>Sessions that are open.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>A session was replaced by a newer one of the same identity.</summary>
    public void CountReplaced() => Interlocked.Increment(ref _replaced);

    /// <summary>Accepts until cancelled.</summary>
    public async Task AcceptAsync(Socket listener, CancellationToken cancel)
    {
        try
        {
            while (true)
            {
                var socket = await listener.AcceptAsync(cancel).ConfigureAwait(false);
                var peer = socket.RemoteEndPoint as IPEndPoint;
                if (peer is null)
                {
                    // It has gone again.
                    socket.Dispose();
                }
                else if (Open >= _maxSessions)
                {
                    _refusals.Refused(peer.ToString(), Refusal.Crowded, $"{_maxSessions} sessions are open");
                    socket.Dispose();
                }
                else if (_tls is { } tls && _credentials is { } credentials)
                {
                    await LetInAsync(socket, peer, tls, credentials, cancel).ConfigureAwait(false);
                }
                else
                {
                    socket.NoDelay = true;
                    _ = Task.Run(() => ServePlainAsync(socket, peer), CancellationToken.None);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
    }

    /// <summary>Looks at the files and at the certificates of those who are connected, again and again until cancelled.</summary>
    public Task WatchAsync(CancellationToken cancel) => _credentials is not { } credentials ? Task.CompletedTask : credentials.WatchAsync(
        _tls!.ReloadInterval,
        news =>
        {
            foreach (var item in news)
            {
                _log.Write(item.Kind == CredentialNewsKind.Reloaded ? "info" : "warning", item.Text);
            }

            foreach (var session in _sessions.Values)
            {
                if (session.Secured is { } channel
                    && credentials.Current.Trust.JudgeAgain(channel.PeerCertificate, channel.Judgement, credentials.Now) is { IsGood: false } bad)
                {
                    _refusals.Refused(session.Peer, bad.Refusal, bad.Reason);
                    session.End(bad.Reason);
                }
            }
        },
        cancel);

    /// <summary>Writes how the door stands: certificates, handshakes, refusals.</summary>
    public void Describe(Utf8JsonWriter json)
    {
        json.WriteStartObject("security");
        json.WriteString("transport", _credentials is null ? "plain text" : "TLS 1.3");
        if (_credentials is { } credentials)
        {
            SecurityStatus.Write(json, credentials);
            json.WriteNumber("handshakesInProgress", _gate.Count);
            json.WriteNumber("handshakesDone", Interlocked.Read(ref _handshakes));
        }

        json.WriteNumber("sessions", Open);
        json.WriteNumber("sessionsReplaced", Interlocked.Read(ref _replaced));
        json.WriteStartObject("refused");
        _refusals.Describe(json);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>The same as figures.</summary>
    public void Measure(MetricsSnapshot metrics)
    {
        metrics.Counter("masq_connections_refused_total", "Connections of agents that were refused.", "reason", _refusals.Counts().Select(c => (MetricsSnapshot.LabelOf(c.Reason), (double)c.Count)));
        if (_credentials is not { } credentials)
        {
            return;
        }

        var current = credentials.Current;
        metrics.Counter("masq_handshakes_total", "TLS handshakes of agents that were done.", Interlocked.Read(ref _handshakes));
        metrics.Gauge("masq_handshakes_in_progress", "TLS handshakes of agents that are in progress.", _gate.Count);
        metrics.Gauge("masq_certificate_expiry_timestamp_seconds", "When the coordinator's certificate ends, in seconds since 1970.", current.NotAfter.ToUnixTimeSeconds());
        metrics.Gauge(
            "masq_authority_expiry_timestamp_seconds", "When the first of the site's authorities ends, in seconds since 1970.",
            current.Trust.Authorities.Min(a => new DateTimeOffset(a.NotAfter).ToUnixTimeSeconds()));
        if (current.Trust.Lists.Where(l => l.Next is not null).Select(l => l.Next!.Value.ToUnixTimeSeconds()).ToList() is { Count: > 0 } ends)
        {
            metrics.Gauge("masq_revocation_list_expiry_timestamp_seconds", "When the first of the revocation lists ends, in seconds since 1970.", ends.Min());
        }
    }

    private async Task LetInAsync(Socket socket, IPEndPoint peer, TlsSettings tls, CredentialStore credentials, CancellationToken cancel)
    {
        HandshakeGate.Ticket? ticket;
        while ((ticket = _gate.Enter(peer.Address, out var mayWait)) is null)
        {
            if (!mayWait)
            {
                _refusals.Refused(peer.ToString(), Refusal.Crowded, $"{tls.MaxHandshakesPerAddress} handshakes with this address are in progress");
                socket.Dispose();
                return;
            }

            // All places are taken by newcomers. The kernel's queue keeps the next ones meanwhile.
            await Task.Delay(5, cancel).ConfigureAwait(false);
        }

        socket.NoDelay = true;
        _ = Task.Run(() => ServeSecuredAsync(socket, peer, tls.HandshakeTimeout, credentials, ticket), CancellationToken.None);
    }

    private async Task ServeSecuredAsync(Socket socket, IPEndPoint peer, TimeSpan timeout, CredentialStore credentials, HandshakeGate.Ticket ticket)
    {
        SecureChannel channel;
        using (ticket)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(ticket.Evicted);
            limit.CancelAfter(timeout);
            try
            {
                var first = await FirstOctetAsync(socket, limit.Token).ConfigureAwait(false);
                var stream = new NetworkStream(socket, ownsSocket: true);
                if (first == 0)
                {
                    await SecureChannel.SayGoodbyeAsync(stream, "refused: plain text was offered, this coordinator takes TLS 1.3 only").ConfigureAwait(false);
                    await stream.DisposeAsync().ConfigureAwait(false);
                    throw new ChannelRefusedException(Refusal.NotTls, "plain text was offered, only TLS 1.3 is taken");
                }

                channel = await SecureChannel.AcceptAsync(stream, credentials, new PeerExpectation(SiteRole.Agent, [], string.Empty), limit.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is ChannelRefusedException or SocketException or OperationCanceledException or ObjectDisposedException)
            {
                socket.Dispose();
                var (refusal, reason) = e switch
                {
                    _ when ticket.IsEvicted => (Refusal.Crowded, "the handshake took long, and others needed its place"),
                    ChannelRefusedException refused => (refused.Refusal, refused.Message),
                    OperationCanceledException => (Refusal.Timeout, "nothing was said"),
                    _ => (Refusal.Failed, e.Message),
                };
                _refusals.Refused(peer.ToString(), refusal, reason);
                return;
            }
        }

        Interlocked.Increment(ref _handshakes);
        if (_sessions.Values.Count(s => s.Secured?.Peer == channel.Peer) >= MaxSessionsPerName)
        {
            _refusals.Refused(peer.ToString(), Refusal.Crowded, $"{MaxSessionsPerName} connections of {channel.Peer} are open");
            await SecureChannel.SayGoodbyeAsync(channel.Stream, "refused: too many connections with this certificate are open").ConfigureAwait(false);
            await channel.Stream.DisposeAsync().ConfigureAwait(false);
            return;
        }

        await ServeAsync(channel.Stream, $"{channel.Peer.Name} at {peer}", channel).ConfigureAwait(false);
    }

    private async Task ServePlainAsync(Socket socket, IPEndPoint peer)
    {
        var stream = new NetworkStream(socket, ownsSocket: true);
        await ServeAsync(stream, peer.ToString(), null).ConfigureAwait(false);
    }

    private async Task ServeAsync(Stream stream, string peer, SecureChannel? channel)
    {
        var session = new AgentSession(Interlocked.Increment(ref _lastSession), peer, stream, _inputs, _unsent)
        {
            Secured = channel,
            OnRefused = (refusal, reason) => _refusals.Refused(peer, refusal, reason),
        };
        Interlocked.Increment(ref _open);
        _sessions[session.Id] = session;
        try
        {
            await session.RunAsync().ConfigureAwait(false);
        }
        finally
        {
            _sessions.TryRemove(session.Id, out _);
            Interlocked.Decrement(ref _open);
        }
    }

    /// <summary>Looks at the first octet without taking it; -1 if the connection ends before.</summary>
    private static async Task<int> FirstOctetAsync(Socket socket, CancellationToken cancel)
    {
        var octet = new byte[1];
        return await socket.ReceiveAsync(octet, SocketFlags.Peek, cancel).ConfigureAwait(false) == 0 ? -1 : octet[0];
    }
}
