using System.Diagnostics;
using System.Security.Cryptography;
using Masquerade.Auth.Eap;
using Masquerade.Auth.Eapol;
using Masquerade.Auth.Peer;
using Masquerade.Client.Link;
using Masquerade.Client.Tls;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Masquerade.KernelAbi;
using Microsoft.Win32.SafeHandles;

namespace Masquerade.Client.Run;

/// <summary><c>masq client</c>: a supplicant between an interface and a TAP interface, in one thread. Nothing is allocated for a frame.</summary>
public sealed unsafe class ClientRun : ISupplicantOutput, IDisposable
{
    private const ushort MacsecType = 0x88E5;
    private const int Batch = 64;
    private const int Watched = 5;

    // Tag, identifier and check value of IEEE 802.1AE.
    private const int Overhead = Auth.Protection.MacsecChannel.FrameOverhead;

    private readonly ClientReport _report;
    private readonly OpenSslClient _tls;
    private readonly TunnelCredentials? _tunnel;
    private readonly PacketSocket _eapol;
    private readonly PacketSocket _macsec;
    private readonly LinkWatch _watch;
    private readonly TapDevice _tap;
    private readonly SafeFileHandle _wake;
    private readonly Supplicant _supplicant;
    private readonly byte[] _frame;
    private readonly string _interface;
    private readonly string _tapWords;
    private readonly Action<bool> _onState;
    private bool _hasCarrier;
    private volatile bool _stopping;
    private volatile bool _statusAsked;
    private long _notSent;

    /// <summary>Opens everything.</summary>
    /// <param name="settings">What it is told.</param>
    /// <param name="output">Where events go.</param>
    /// <param name="json">Whether as JSON.</param>
    /// <exception cref="ClientException">Something is missing or not allowed; nothing stays open.</exception>
    public ClientRun(ClientSettings settings, TextWriter output, bool json)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.Mistakes() is { Count: > 0 } mistakes)
        {
            throw new ClientException(string.Join(Environment.NewLine, mistakes));
        }

        var opened = new Stack<IDisposable>();
        try
        {
            _report = new ClientReport(output, json, settings.Identity, TimeProvider.System);
            opened.Push(_tls = new OpenSslClient(new OpenSslOptions
            {
                AuthorityFile = settings.AuthorityFile,
                ServerName = settings.ServerName,
                CertificateFile = settings.CertificateFile.Length > 0 ? settings.CertificateFile : null,
                KeyFile = settings.KeyFile.Length > 0 ? settings.KeyFile : null,
            }));
            _tunnel = Credentials(settings);
            if (_tunnel is not null)
            {
                opened.Push(_tunnel);
            }

            _interface = settings.Interface;
            var (address, mtu) = (NetworkInterface.Address(_interface), NetworkInterface.Mtu(_interface));
            opened.Push(_eapol = new PacketSocket(_interface, EtherType.Eapol, EapolFrame.GroupAddress));
            opened.Push(_macsec = new PacketSocket(_interface, MacsecType, MacAddress.None));
            opened.Push(_watch = new LinkWatch(_interface));
            opened.Push(_wake = Linux.Check(Linux.EventCounter(0, Linux.CloseOnExec | Linux.NonBlocking), "make an event counter"));
            var longest = mtu + EthernetHeader.Length + 4;
            _frame = new byte[Math.Max(longest, 1_514) + Overhead];
            opened.Push(_supplicant = new Supplicant(
                new SupplicantConfig { PlainIsGood = settings.PlainIsGood, MaxFrame = Math.Max(longest, 1_514) }, address, Peer(settings), RandomNumberGenerator.Fill, this));
            opened.Push(_tap = new TapDevice(settings.Tap, address, mtu - Overhead));
            _tapWords = $"{_tap.Name} has the address {address} and an MTU of {mtu - Overhead}";
            _onState = OnState;
        }
        catch
        {
            while (opened.TryPop(out var one))
            {
                one.Dispose();
            }

            throw;
        }
    }

    /// <summary>Runs until <see cref="Stop"/>; then logs off and tells the counters.</summary>
    public void Run()
    {
        OnState(NetworkInterface.IsRunning(_interface));
        while (!_stopping)
        {
            Wait();
            Step();
        }

        _supplicant.LogOff();
        _report.Status(_supplicant, _notSent);
    }

    /// <summary>Ends <see cref="Run"/>; from any thread.</summary>
    public void Stop()
    {
        _stopping = true;
        Wake();
    }

    /// <summary>Has the counters told; from any thread.</summary>
    public void AskStatus()
    {
        _statusAsked = true;
        Wake();
    }

    /// <summary>Closes everything, and zeroes keys and password. The TAP interface goes.</summary>
    public void Dispose()
    {
        _supplicant.Dispose();
        _tap.Dispose();
        _watch.Dispose();
        _macsec.Dispose();
        _eapol.Dispose();
        _wake.Dispose();
        _tunnel?.Dispose();
        _tls.Dispose();
    }

    void ISupplicantOutput.Send(ReadOnlySpan<byte> frame)
    {
        if (!_eapol.Send(frame))
        {
            _notSent++;
        }
    }

    void ISupplicantOutput.Deliver(ReadOnlySpan<byte> frame)
    {
        if (!_tap.Write(frame))
        {
            _notSent++;
        }
    }

    void ISupplicantOutput.Tell(SupplicantEvent what) => _report.Tell(what, _tapWords);

    private static Instant Now => new(Stopwatch.GetTimestamp() * (1_000_000_000 / Stopwatch.Frequency));

    private void Wait()
    {
        var entries = stackalloc PollFd[Watched];
        entries[0] = new PollFd { Handle = (int)_wake.DangerousGetHandle(), Events = Linux.Readable };
        entries[1] = new PollFd { Handle = _watch.Descriptor, Events = Linux.Readable };
        entries[2] = new PollFd { Handle = _eapol.Descriptor, Events = Linux.Readable };
        entries[3] = new PollFd { Handle = _macsec.Descriptor, Events = Linux.Readable };

        // Held back, the client's frames wait in the kernel.
        entries[4] = new PollFd { Handle = _supplicant.HoldsFrames ? -1 : _tap.Descriptor, Events = Linux.Readable };
        var deadline = _supplicant.NextDeadline;
        var left = deadline == Instant.Never ? TimeSpan.FromMinutes(1) : TimeSpan.FromTicks(Math.Clamp((deadline - Now).Ticks + 1, 0, TimeSpan.TicksPerMinute));
        var time = TimeSpec.FromNanoseconds(left.Ticks * 100);
        _ = Linux.Poll(entries, Watched, &time, null);
        if (entries[1].Returned != 0)
        {
            _watch.Read(_onState);
        }
    }

    private void Step()
    {
        // EAPOL first: it makes the keys that the others need.
        for (var i = 0; i < Batch && _eapol.Receive(_frame) is > 0 and var length; i++)
        {
            _supplicant.OnWire(_frame.AsSpan(0, length), Now);
        }

        for (var i = 0; i < Batch && _macsec.Receive(_frame) is > 0 and var length; i++)
        {
            _supplicant.OnWire(_frame.AsSpan(0, length), Now);
        }

        for (var i = 0; i < Batch && !_supplicant.HoldsFrames && _tap.Read(_frame) is > 0 and var length; i++)
        {
            _supplicant.OnClient(_frame.AsSpan(0, length), Now);
        }

        _supplicant.Advance(Now);
        var carrier = !_supplicant.AccessPoint.IsNone;
        if (carrier != _hasCarrier)
        {
            _hasCarrier = carrier;
            _tap.SetCarrier(carrier);
        }

        if (_statusAsked)
        {
            _statusAsked = false;
            _report.Status(_supplicant, _notSent);
        }

        ulong count;
        _ = Linux.Read((int)_wake.DangerousGetHandle(), (byte*)&count, sizeof(ulong));
    }

    private void OnState(bool isUp)
    {
        if (isUp)
        {
            _supplicant.LinkUp(Now);
        }
        else
        {
            _supplicant.LinkDown(Now);
        }
    }

    private void Wake()
    {
        ulong one = 1;
        if (!_wake.IsClosed)
        {
            _ = Linux.Write((int)_wake.DangerousGetHandle(), (byte*)&one, sizeof(ulong));
        }
    }

    private EapPeer Peer(ClientSettings settings) => new(
        new EapPeerConfig
        {
            Method = settings.Method == ClientMethod.Tls ? EapType.Tls : EapType.Ttls,
            Identity = settings.Anonymous.Length > 0 ? settings.Anonymous : settings.Identity,
            Tunnel = _tunnel,
        },
        _tls.Create,
        RandomNumberGenerator.Fill);

    private static TunnelCredentials? Credentials(ClientSettings settings)
    {
        if (settings.Method == ClientMethod.Tls)
        {
            return null;
        }

        var password = ClientPassword.Read(settings);
        try
        {
            return new TunnelCredentials(settings.Method == ClientMethod.TtlsPap ? TunnelMethod.Pap : TunnelMethod.MsChapV2, settings.Identity, password);
        }
        catch (ArgumentException e)
        {
            throw new ClientException("the user's name must have 1 to 253 octets", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(password);
        }
    }
}
