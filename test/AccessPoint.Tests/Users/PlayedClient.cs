using Masquerade.Auth.Handshake;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Tests.Users;

/// <summary>A client with a supplicant of its own: it answers handshakes and protects its frames. It keeps its session key while it walks from bench to bench.</summary>
internal sealed class PlayedClient : IDisposable
{
    private readonly byte[] _msk;
    private readonly byte[] _buffer = new byte[2_048];
    private readonly SupplicantKeys _keys;
    private HandshakeSupplicant? _supplicant;
    private MacsecChannel _channel = new();

    public PlayedClient(MacAddress mac, byte session = 1)
    {
        Mac = mac;
        SessionNumber = session;
        _msk = [.. Enumerable.Range(1, SessionKey.MskLength).Select(i => (byte)(i + (64 * session)))];
        Assert.True(SupplicantKeys.TryFromMsk(_msk, mac, out var keys));
        _keys = keys;
    }

    public MacAddress Mac { get; }

    public byte SessionNumber { get; }

    /// <summary>Frames that came protected, without the protection.</summary>
    public List<byte[]> Inside { get; } = [];

    /// <summary>Frames in the clear that were no EAPOL.</summary>
    public List<byte[]> Clear { get; } = [];

    /// <summary>EAP packets.</summary>
    public List<byte[]> Eap { get; } = [];

    /// <summary>What it has sent of handshakes, whole frames.</summary>
    public List<byte[]> Said { get; } = [];

    public int Rounds => _supplicant?.Rounds ?? 0;

    public ProtectionCounters Counters => _channel.Counters;

    /// <summary>Whether a frame of the handshake gets lost, either way; by its number.</summary>
    public Func<int, bool> Loses { get; set; } = _ => false;

    private int _frames;

    /// <summary>The session as an access point is told it.</summary>
    public UserSession SessionFor(string node, bool isProtected = false, string user = "bob")
    {
        var id = new byte[UserSession.IdLength];
        Array.Fill(id, SessionNumber);
        Assert.True(SessionKey.TryDerive(_msk, SessionId.FromBytes(id), Mac, out var key));
        var octets = new byte[UserSession.KeyLength];
        using (key)
        using (var own = key.DeriveFor(new NodeId(node)))
        {
            own.CopyTo(octets);
        }

        return UserBench.Session(user, SessionNumber) with { Key = new Octets(octets), IsProtected = isProtected };
    }

    /// <summary>Comes to an access point: another link, other link keys.</summary>
    public void Join(UserBench bench)
    {
        _supplicant?.Dispose();
        _channel.Dispose();
        _channel = new MacsecChannel();
        _supplicant = new HandshakeSupplicant(_keys, AccessPointModel.DefaultGatewayMac, new HandshakeConfig(), System.Security.Cryptography.RandomNumberGenerator.Fill, _channel, bench.Now);
    }

    /// <summary>Takes what the access point has sent, answers, and goes on until nobody says anything.</summary>
    public void Pump(UserBench bench)
    {
        while (bench.Output.Client.Count > 0)
        {
            var frames = bench.Output.Client.ToArray();
            bench.Output.Client.Clear();
            foreach (var frame in frames.Where(f => MacAddress.FromBytes(f) == Mac || (f[0] & 1) != 0))
            {
                Take(bench, frame);
            }
        }
    }

    /// <summary>Sends a frame under the link's key.</summary>
    public void SendProtected(UserBench bench, ReadOnlySpan<byte> frame) => bench.Node.OnClientFrame(Protect(frame), OffloadInfo.None, bench.Now);

    /// <summary>A frame as it would be sent.</summary>
    public byte[] Protect(ReadOnlySpan<byte> frame)
    {
        Assert.Equal(ProtectionDrop.None, _channel.Protect(frame, _buffer, out var length));
        return _buffer[..length];
    }

    /// <summary>Opens a connection by a protected frame; whether it went out.</summary>
    public bool Speak(UserBench bench, int port = 40_000)
    {
        bench.Output.Uplink.Clear();
        SendProtected(bench, bench.Packet(Mac, port));
        return bench.Output.Uplink.Count > 0;
    }

    public void Dispose()
    {
        _supplicant?.Dispose();
        _channel.Dispose();
        _keys.Dispose();
    }

    private void Take(UserBench bench, byte[] frame)
    {
        var type = (frame[12] << 8) | frame[13];
        if (type == EtherType.Macsec)
        {
            if (_channel.Validate(frame, _buffer, bench.Now, out var length) == ProtectionDrop.None)
            {
                Inside.Add(_buffer[..length]);
            }
        }
        else if (type != EtherType.Eapol)
        {
            Clear.Add(frame);
        }
        else if (frame[15] != 3)
        {
            Eap.Add(frame[14..]);
            if (frame[15] == 0 && frame[18] == 3 && _supplicant is not null)
            {
                // Authenticated: it asks for the handshake.
                var request = new byte[14 + HandshakeFrame.MaxLength];
                EthernetHeader.Write(request, AccessPointModel.DefaultGatewayMac, Mac, EtherType.Eapol);
                bench.Node.OnClientFrame(request.AsSpan(0, 14 + HandshakeRequest.Write(request.AsSpan(14))), OffloadInfo.None, bench.Now);
            }
        }
        else if (!Loses(_frames++) && _supplicant is { } supplicant)
        {
            var answer = new byte[14 + HandshakeFrame.MaxLength];
            var length = supplicant.Receive(frame.AsSpan(14), answer.AsSpan(14), out _);
            if (length > 0)
            {
                EthernetHeader.Write(answer, AccessPointModel.DefaultGatewayMac, Mac, EtherType.Eapol);
                Said.Add(answer[..(14 + length)]);
                if (!Loses(_frames++))
                {
                    bench.Node.OnClientFrame(answer.AsSpan(0, 14 + length), OffloadInfo.None, bench.Now);
                }
            }
        }
    }
}
