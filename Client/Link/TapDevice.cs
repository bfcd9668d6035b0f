using Masquerade.Core.Flow;
using Masquerade.KernelAbi;
using Microsoft.Win32.SafeHandles;

namespace Masquerade.Client.Link;

/// <summary>The client's side: an Ethernet interface that is there as long as the program. It has a carrier while the link is protected.</summary>
internal sealed unsafe class TapDevice : IDisposable
{
    private readonly SafeFileHandle _device;

    /// <exception cref="ClientException">It cannot be made: the name is taken, or not allowed.</exception>
    public TapDevice(string name, MacAddress address, int mtu)
    {
        Name = name;
        _device = Linux.Check(Linux.Open("/dev/net/tun", Linux.ReadWrite | Linux.NonBlocking | Linux.CloseOnExec), "open /dev/net/tun");
        try
        {
            IfReq request = default;
            NetworkInterface.Name(name, &request);
            *(short*)request.Value = Linux.TapWithoutHeader;
            _ = Linux.Check(Linux.Control(_device, Linux.TunSetInterface, &request), $"{name}: make a TAP interface (CAP_NET_ADMIN)");
            SetCarrier(false);
            NetworkInterface.Prepare(name, address, mtu);
        }
        catch
        {
            _device.Dispose();
            throw;
        }
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>What to poll.</summary>
    public int Descriptor => (int)_device.DangerousGetHandle();

    /// <summary>Tells the kernel whether there is a link.</summary>
    public void SetCarrier(bool on)
    {
        var value = on ? 1 : 0;
        _ = Linux.Check(Linux.Control(_device, Linux.TunSetCarrier, &value), "set the carrier of the TAP interface");
    }

    /// <summary>Takes a frame that the client sends; 0 if there is none.</summary>
    public int Read(Span<byte> frame)
    {
        fixed (byte* start = frame)
        {
            return (int)Math.Max(0, Linux.Read(Descriptor, start, (nuint)frame.Length));
        }
    }

    /// <summary>Gives the client a frame; false if the kernel does not take it.</summary>
    public bool Write(ReadOnlySpan<byte> frame)
    {
        fixed (byte* start = frame)
        {
            return Linux.Write(Descriptor, start, (nuint)frame.Length) == frame.Length;
        }
    }

    /// <summary>The interface goes.</summary>
    public void Dispose() => _device.Dispose();
}
