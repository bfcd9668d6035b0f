using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Masquerade.Auth.Radius;

/// <summary>A TLS connection (RFC 6614), made when it is first needed. Packets follow one another and tell their length themselves (RFC 6613 section 2.4).</summary>
internal sealed class TlsLane(RadiusServerSettings settings, RadiusServerCounters counters, TimeSpan patience, TimeProvider time) : RadiusLane(settings, counters)
{
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _sending = new(1);
    private Task<Stream?> _connection = Task.FromResult<Stream?>(null);
    private Task _receiver = Task.CompletedTask;

    public override bool Repeats => false;

    public override void Start()
    {
        _connection = Task.Run(ConnectAsync);
        _receiver = Task.Run(ReceiveAsync);
    }

    public override async Task<bool> SendAsync(ReadOnlyMemory<byte> packet, CancellationToken cancel)
    {
        if (await _connection.WaitAsync(cancel) is not { } stream)
        {
            return false;
        }

        await _sending.WaitAsync(cancel);
        try
        {
            // Not cancelled half way: half a packet would spoil the connection for all.
            await stream.WriteAsync(packet, _stop.Token);
            return true;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException or InvalidOperationException)
        {
            return false;
        }
        finally
        {
            _sending.Release();
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        if (await _connection is { } stream)
        {
            await stream.DisposeAsync();
        }

        await _receiver;
        _stop.Dispose();
        _sending.Dispose();
    }

    private async Task<Stream?> ConnectAsync()
    {
        using var limit = new CancellationTokenSource(patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop.Token);
        var socket = new Socket(Settings.EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (Settings.Source is { } source)
            {
                socket.Bind(new System.Net.IPEndPoint(source, 0));
            }

            await socket.ConnectAsync(Settings.EndPoint, both.Token);
            var tls = new SslStream(new NetworkStream(socket, ownsSocket: true), leaveInnerStreamOpen: false);
            try
            {
                await tls.AuthenticateAsClientAsync(Options(Settings.Tls!), both.Token);
                return tls;
            }
            catch
            {
                await tls.DisposeAsync();
                throw;
            }
        }
        catch (Exception e) when (e is SocketException or IOException or AuthenticationException or OperationCanceledException or ObjectDisposedException)
        {
            socket.Dispose();
            Counters.Add(RadiusCount.ConnectionsLost);
            End();
            return null;
        }
    }

    private static SslClientAuthenticationOptions Options(RadiusTls tls)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = tls.Revocation };
        policy.CustomTrustStore.AddRange(tls.Authorities);
        return new SslClientAuthenticationOptions
        {
            TargetHost = tls.ServerName,
            ClientCertificates = [tls.Certificate],
            CertificateChainPolicy = policy,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        };
    }

    private async Task ReceiveAsync()
    {
        try
        {
            if (await _connection is { } stream)
            {
                var head = new byte[4];
                while (true)
                {
                    await stream.ReadExactlyAsync(head, _stop.Token);
                    var length = BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(2));
                    if (length is < RadiusPacket.HeaderLength or > RadiusPacket.MaximumLength)
                    {
                        // Where the next packet begins cannot be known any more.
                        Counters.Add(RadiusCount.MalformedResponses);
                        break;
                    }

                    var packet = new byte[length];
                    head.CopyTo(packet, 0);
                    await stream.ReadExactlyAsync(packet.AsMemory(4), _stop.Token);
                    Deliver(packet);
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException or InvalidOperationException)
        {
            // The connection is gone; who waits is told below.
        }

        if (await _connection is { } ended)
        {
            Counters.Add(RadiusCount.ConnectionsLost);
            End();
            await ended.DisposeAsync();
        }
    }
}
