using System.Runtime.InteropServices;
using Masquerade.Core.Time;
using Masquerade.KernelAbi;

namespace Masquerade.AccessPoint.Agent.Devices;

/// <summary>
/// Waits for input on several file descriptors, for a deadline, and for other threads. One thread adds and waits; any thread may call
/// <see cref="Wake"/>. Waiting does not allocate.
/// </summary>
public sealed unsafe class Poller : IDisposable
{
    /// <summary>How many descriptors a poller takes. A shard polls two or three devices and perhaps a control socket.</summary>
    public const int Capacity = 16;

    private readonly PollFd* _polled;
    private readonly bool[] _asked = new bool[Capacity];
    private readonly int _event;
    private int _count;
    private int _askedCount;
    private int _wakePending;
    private bool _disposed;

    /// <summary>Creates a poller with nothing but the wake-up to wait for.</summary>
    /// <exception cref="DeviceException">No descriptor for the wake-up is to be had.</exception>
    public Poller()
    {
        _event = Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        if (_event < 0)
        {
            throw DeviceException.FromErrorNumber("poller", "create a wake-up event", Marshal.GetLastPInvokeError());
        }

        // One more than Capacity: the wake-up event is entry 0.
        _polled = (PollFd*)NativeMemory.AllocZeroed(Capacity + 1, (nuint)sizeof(PollFd));
        _polled[0] = new PollFd { Handle = _event, Events = Libc.POLLIN };
    }

    /// <summary>Whether the last wait ended because of <see cref="Wake"/> (perhaps among other things).</summary>
    public bool WasWoken { get; private set; }

    /// <summary>
    /// Adds a descriptor, usually a device's <see cref="IPacketDevice.PollHandle"/>, and returns its number for <see cref="IsReady"/>. A negative
    /// one always counts as ready, so that waits return at once until it is removed: such a device has to be asked.
    /// </summary>
    /// <exception cref="InvalidOperationException">There are <see cref="Capacity"/> already.</exception>
    public int Add(int handle)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_count == Capacity)
        {
            throw new InvalidOperationException($"a poller takes no more than {Capacity} descriptors");
        }

        var number = _count++;
        _polled[number + 1] = new PollFd { Handle = handle, Events = Libc.POLLIN };
        if (handle < 0)
        {
            _asked[number] = true;
            _askedCount++;
        }

        return number;
    }

    /// <summary>Waits for this one no more. Its number is not given out again.</summary>
    public void Remove(int number)
    {
        CheckNumber(number);
        if (_asked[number])
        {
            _asked[number] = false;
            _askedCount--;
        }

        // poll(2) ignores negative descriptors.
        _polled[number + 1] = new PollFd { Handle = -1 };
    }

    /// <summary>Whether this one had input (or an error to find out about by reading) when the last wait ended.</summary>
    public bool IsReady(int number)
    {
        CheckNumber(number);
        return _asked[number] || _polled[number + 1].Returned != 0;
    }

    /// <summary>
    /// Waits until a descriptor has input, another thread calls <see cref="Wake"/>, or <paramref name="deadline"/> has come
    /// (<see cref="Instant.Never"/>: no limit). Returns how many descriptors are ready, the wake-up not counted. May return early with none.
    /// </summary>
    /// <param name="now">The present time on the clock of <paramref name="deadline"/>.</param>
    /// <param name="deadline">When to give up; in the past: look and return at once.</param>
    public int Wait(Instant now, Instant deadline)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var span = _askedCount > 0 || deadline <= now ? 0 : deadline.Nanoseconds - now.Nanoseconds;
        var timeout = TimeSpec.FromNanoseconds(span);
        var forever = _askedCount == 0 && deadline == Instant.Never;
        var ready = Libc.ppoll(_polled, (nuint)(_count + 1), forever ? null : &timeout, null);
        WasWoken = false;
        if (ready <= 0)
        {
            // Timeout or a signal. After a failure the kernel has not written the results: they would be those of the wait before.
            for (var i = 0; i <= _count; i++)
            {
                _polled[i].Returned = 0;
            }

            return _askedCount;
        }

        if (_polled[0].Returned != 0)
        {
            WasWoken = true;
            ready--;
            ulong drained;
            _ = Libc.read(_event, &drained, sizeof(ulong));

            // After the read: a Wake in between finds the flag set and writes nothing, but the caller looks for work only after this wait.
            Interlocked.Exchange(ref _wakePending, 0);
        }

        ClearErrors();
        return ready + _askedCount;
    }

    /// <summary>Ends the present or the next wait. May be called from any thread, often: wake-ups that nobody has waited for yet are one.</summary>
    public void Wake()
    {
        if (Interlocked.Exchange(ref _wakePending, 1) == 0)
        {
            ulong one = 1;
            _ = Libc.write(_event, &one, sizeof(ulong));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;

        // A late Wake finds the flag set and does not write into whatever has got the descriptor's number by then.
        Interlocked.Exchange(ref _wakePending, 1);
        _ = Libc.close(_event);
        NativeMemory.Free(_polled);
    }

    private void ClearErrors()
    {
        for (var i = 1; i <= _count; i++)
        {
            if ((_polled[i].Returned & Libc.POLLERR) != 0)
            {
                // An interface that went down leaves an error on its socket, which would make every wait return at once until somebody fetches it.
                int error;
                uint length = sizeof(int);
                _ = Libc.getsockopt(_polled[i].Handle, Libc.SOL_SOCKET, Libc.SO_ERROR, &error, &length);
            }
        }
    }

    private void CheckNumber(int number)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(number, _count);
    }
}
