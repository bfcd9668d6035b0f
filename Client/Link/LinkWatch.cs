using Microsoft.Win32.SafeHandles;

namespace Masquerade.Client.Link;

/// <summary>Hears from the kernel when an interface gains or loses its carrier; also of changes that were undone at once.</summary>
internal sealed unsafe class LinkWatch : IDisposable
{
    private const uint LinkGroup = 1;
    private readonly SafeFileHandle _socket;
    private readonly string _name;
    private readonly int _index;
    private readonly byte[] _buffer = new byte[16_384];

    public LinkWatch(string name)
    {
        _name = name;
        _index = NetworkInterface.Index(name);
        _socket = Linux.Check(Linux.Socket(Linux.AddressNetlink, Linux.Raw | Linux.CloseOnExec, 0), "open a netlink socket");
        var address = new Linux.NetlinkAddress { Family = Linux.AddressNetlink, Groups = LinkGroup };
        try
        {
            _ = Linux.Check(Linux.Bind(_socket, &address, (uint)sizeof(Linux.NetlinkAddress)), "listen to netlink");
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>What to poll.</summary>
    public int Descriptor => (int)_socket.DangerousGetHandle();

    /// <summary>Reads what has come; calls with each state that the interface has had.</summary>
    public void Read(Action<bool> onState)
    {
        while (true)
        {
            int length;
            fixed (byte* start = _buffer)
            {
                length = (int)Linux.Receive(Descriptor, start, (nuint)_buffer.Length, Linux.DoNotWait);
            }

            if (length <= 0)
            {
                break;
            }

            var messages = (ReadOnlySpan<byte>)_buffer.AsSpan(0, length);
            while (LinkChanges.TryTake(ref messages, _index, out var isUp))
            {
                if (isUp is { } state)
                {
                    onState(state);
                }
            }
        }

        // Messages may be lost when there are many; what is so now is asked.
        onState(Linux.IndexOf(_name) == _index && NetworkInterface.IsRunning(_name));
    }

    public void Dispose() => _socket.Dispose();
}
